#!/usr/bin/env bash
# Installs what building librdkafka takes, from Debian, where it is missing and root allows. None of it is needed for
# `cargo build --no-default-features`, which leaves Kafka out.
#
#   scripts/build.sh           looks, and installs what is missing
#   scripts/build.sh check     only looks
#   scripts/build.sh linker    only looks for what every Rust program needs
set -euo pipefail

if [ "${1:-}" = linker ]; then
    type -P cargo >/dev/null || { echo "build: needs Rust (https://rustup.rs)" >&2; exit 1; }
    type -P cc >/dev/null || { echo "build: needs a C compiler and linker, cc (on Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }
    exit
fi
lacks=()
type -P cc >/dev/null || lacks+=(gcc)
type -P c++ >/dev/null || lacks+=(g++)
type -P make >/dev/null || lacks+=(make)
type -P pkg-config >/dev/null || lacks+=(pkg-config)
# Headers are looked for as the build does it.
has_header() { type -P cc >/dev/null && echo "#include <$1>" | cc -E - >/dev/null 2>&1; }
has_header zlib.h || lacks+=(zlib1g-dev)
has_header openssl/ssl.h || lacks+=(libssl-dev)
[ ${#lacks[@]} -eq 0 ] && exit
if [ "${1:-}" = check ] || ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "build: needs ${lacks[*]} for Kafka (as root on Debian, scripts/build.sh installs them)," >&2
    echo "build: or leave Kafka out: cargo build --no-default-features" >&2
    exit 1
fi
echo "build: installing ${lacks[*]} from Debian" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacks[@]}" >/dev/null
