#!/usr/bin/env bash
# Puts HdrHistogram's Java library into .tools/java/ of this checkout, for the tests that read logs back with it. Where Java
# or Maven is missing and root allows, it installs Debian's; `scripts/java.sh check` leaves the system as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly version=2.2.2 folder=.tools/java
readonly sum=22d1d4316c4ec13a68b559e98c8256d69071593731da96136640f864fa14fad8
readonly jar=$folder/HdrHistogram-$version.jar

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! type -P java >/dev/null || ! type -P mvn >/dev/null; then
    if [ "${1:-}" = check ] || ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "java: no JDK with Maven here; on Debian: apt-get install default-jdk-headless maven" >&2
        exit 1
    fi
    echo "java: installing a JDK and Maven from Debian" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jdk-headless maven >/dev/null
fi
[ -s "$jar" ] && exit
echo "java: fetching HdrHistogram $version with Maven into $folder/ (once)" >&2
mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="org.hdrhistogram:HdrHistogram:$version" -DoutputDirectory="$folder/new" >&2
if ! echo "$sum  $folder/new/HdrHistogram-$version.jar" | sha256sum --quiet --check - >&2; then
    echo "java: that is not HdrHistogram $version as this script knows it" >&2
    exit 1
fi
mv -- "$folder/new/HdrHistogram-$version.jar" "$jar"
rmdir -- "$folder/new"
