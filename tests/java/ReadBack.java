import java.io.File;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogProcessor;
import org.HdrHistogram.HistogramLogReader;

/** Prints what the intervals of a log add up to, a line for each tag, by HdrHistogram's own reader and log processor. */
final class ReadBack {
    private static final double[] PERCENTILES = {50, 90, 99, 99.9};
    private static final Pattern TOTAL = Pattern.compile("Total count\\s*=\\s*(\\d+)");

    public static void main(String[] logs) throws Exception {
        for (String log : logs) {
            Map<String, Histogram> sums = new TreeMap<>();
            HistogramLogReader reader = new HistogramLogReader(new File(log));
            while (reader.hasNext()) {
                Histogram interval = (Histogram) reader.nextIntervalHistogram();
                sums.computeIfAbsent(interval.getTag(), tag -> new Histogram(interval)).add(interval);
            }
            for (Map.Entry<String, Histogram> sum : sums.entrySet()) {
                Histogram whole = sum.getValue();
                StringBuilder line = new StringBuilder(log).append('\t').append(sum.getKey());
                line.append('\t').append(whole.getTotalCount());
                for (double percentile : PERCENTILES) {
                    line.append('\t').append(whole.getValueAtPercentile(percentile));
                }
                line.append('\t').append(whole.getMaxValue());
                System.out.println(line.append('\t').append(processed(log, sum.getKey())));
            }
        }
    }

    /** The events of a tag, as the processor counts them. */
    private static long processed(String log, String tag) throws Exception {
        Path out = Files.createTempFile(Path.of(log).getParent(), "processed", "");
        PrintStream stdout = System.out;
        System.setOut(new PrintStream(PrintStream.nullOutputStream()));
        HistogramLogProcessor processor =
                new HistogramLogProcessor(new String[] {"-i", log, "-o", out.toString(), "-tag", tag});
        processor.start();
        processor.join();
        System.setOut(stdout);
        Matcher total = TOTAL.matcher(Files.readString(Path.of(out + ".hgrm")));
        return total.find() ? Long.parseLong(total.group(1)) : -1;
    }
}
