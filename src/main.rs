//! The tickgate program: calls the library and exits with the code that `cli` returns.

fn main() -> std::process::ExitCode {
    tickgate::cli::main()
}
