#!/usr/bin/env bash
# Makes a container image of a tickgate that is built already. Needs `strip`, root certificates and, for `build`, docker.
#
#   scripts/image.sh build PROGRAM NAME      makes the image NAME (the last stage of Dockerfile) and prints its size
#   scripts/image.sh tree PROGRAM FOLDER     writes the files of the image into a new FOLDER
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

say() { echo "image: $*" >&2; }

certificates() {
    local file
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        if [ -n "$file" ] && [ -s "$file" ]; then
            echo "$file"
            return
        fi
    done
    say "no root certificates here: install ca-certificates, or set SSL_CERT_FILE"
    return 1
}

# The libraries that the program loads, and its loader, by their paths here.
libraries() { ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'; }

tree() {
    local program=$1 tree=$2 certificates library
    type -P strip >/dev/null || { say "no strip here: install binutils"; return 1; }
    certificates=$(certificates)
    mkdir "$tree"
    mkdir -p "$tree"/{usr/bin,etc/ssl/certs,work}
    strip --strip-all -o "$tree/usr/bin/tickgate" "$program"
    libraries "$program" | while read -r library; do
        mkdir -p "$tree$(dirname "$library")"
        cp -L "$library" "$tree$library"
    done
    cp -L "$certificates" "$tree/etc/ssl/certs/ca-certificates.crt"
    echo 'tickgate:x:65532:65532::/work:/nonexistent' >"$tree/etc/passwd"
    echo 'tickgate:x:65532:' >"$tree/etc/group"
    chmod -R u=rwX,go=rX "$tree"
    chmod 755 "$tree/usr/bin/tickgate"
}

build() {
    local program=$1 name=$2 work
    type -P docker >/dev/null || { say "no docker here"; return 1; }
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    tree "$program" "$work/image"
    # The files are the context, where the first stage of Dockerfile is missing.
    sed -n '/^FROM scratch$/,$p' "$root/Dockerfile" | sed 's|--from=build /image/|.|' >"$work/Dockerfile"
    docker build --quiet --tag "$name" --file "$work/Dockerfile" "$work/image" >/dev/null
    docker save "$name" | gzip -9 >"$work/saved"
    say "$name: $(($(docker image inspect --format '{{.Size}}' "$name") / 1000000)) MB, compressed $(($(stat -c %s "$work/saved") / 1000000)) MB"
}

case "${1:-} $#" in
    "build 3") build "$2" "$3" ;;
    "tree 3") tree "$2" "$3" ;;
    *) sed -n '4,5s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
