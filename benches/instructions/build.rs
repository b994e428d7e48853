//! Leaves out what is below the pure half of tickgate.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=pure");
    // Features of the whole package, which this one does not have.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"kafka\", \"containers\"))");
}
