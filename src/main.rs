//! The tickgate program: everything is in the library, and its exit code is what `cli` says.

fn main() -> std::process::ExitCode {
    tickgate::cli::main()
}
