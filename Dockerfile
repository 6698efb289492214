# The same image as `cargo xtask image` makes without Docker: the programs and the libraries that they need, nothing else.
#   docker build -t moncluster .
FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends librocksdb-dev libclang-dev g++
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p mon-daemon -p moncluster-operator -p kubectl-moncluster
RUN set -eu; mkdir -p /image/usr/bin /image/usr/lib /image/etc /image/tmp /image/run /image/var/lib/ceph; \
    ln -s usr/lib /image/lib; ln -s usr/lib64 /image/lib64; mkdir /image/usr/lib64; \
    for program in mon moncluster-operator kubectl-moncluster; do \
      strip -o "/image/usr/bin/$program" "target/release/$program"; \
      ldd "target/release/$program" | grep -o '/[^ ]*' | sort -u | while read -r library; do \
        mkdir -p "/image/usr$(dirname "${library#/usr}")"; cp -L "$library" "/image/usr${library#/usr}"; \
      done; \
    done; \
    printf 'root:x:0:0::/:\nceph:x:167:167::/var/lib/ceph:\n' > /image/etc/passwd; \
    printf 'root:x:0:\nceph:x:167:\n' > /image/etc/group

FROM scratch
COPY --from=build /image /
USER 167:167
ENV PATH=/usr/bin
ENTRYPOINT ["/usr/bin/mon"]
