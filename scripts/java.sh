#!/usr/bin/env bash
# Puts HdrHistogram's Java library into .tools/java/ of this checkout, for the tests that read logs back with it; needs a
# JDK (17 or later) and Maven, and changes nothing outside the checkout but Maven's own cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly version=2.2.2 folder=.tools/java
readonly jar=$folder/HdrHistogram-$version.jar

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
for program in java mvn; do
    type -P "$program" >/dev/null || { echo "java: no $program; on Debian: apt-get install default-jdk-headless maven" >&2; exit 1; }
done
[ -s "$jar" ] && exit
echo "java: fetching HdrHistogram $version with Maven into $folder/ (once)" >&2
mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="org.hdrhistogram:HdrHistogram:$version" -DoutputDirectory="$folder" >&2
