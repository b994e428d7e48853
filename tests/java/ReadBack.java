import java.io.File;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;

/** Prints what HdrHistogram's own reader finds in logs: a line for each interval, and in it what a test compares. */
final class ReadBack {
    private static final double[] PERCENTILES = {50, 90, 99, 99.9};

    public static void main(String[] logs) throws Exception {
        for (String log : logs) {
            HistogramLogReader reader = new HistogramLogReader(new File(log));
            while (reader.hasNext()) {
                Histogram interval = (Histogram) reader.nextIntervalHistogram();
                StringBuilder line = new StringBuilder(log).append('\t').append(interval.getTag());
                line.append('\t').append(interval.getTotalCount());
                for (double percentile : PERCENTILES) {
                    line.append('\t').append(interval.getValueAtPercentile(percentile));
                }
                System.out.println(line.append('\t').append(interval.getMaxValue()));
            }
        }
    }
}
