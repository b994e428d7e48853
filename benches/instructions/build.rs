//! Leaves out what is below the pure half of tickgate, and makes a program of it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=pure");
    println!("cargo::rustc-cfg=counted");
    // Features of the whole package, which this one does not have.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"kafka\", \"containers\"))");
}
