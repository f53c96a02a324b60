//! The program: arguments in, exit code out.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use halolab::{
    cli::{Cli, Code, Stop, run, view},
    log::sanitize_text,
};

fn main() -> ExitCode {
    // The viewer is as quick as a pager: it needs neither the other verbs nor a runtime.
    if let Some(ended) = view::at_once() {
        return end(ended, false);
    }
    let cli = Cli::parse();
    let json = cli.global.json;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(Box::pin(run(cli)));
            // A thread that still reads the terminal must not keep us.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Stop::from(error)),
    };
    end(ended, json)
}

/// The exit code; what went wrong is said.
fn end(ended: Result<Code, Stop>, json: bool) -> ExitCode {
    let code = ended.as_ref().map_or_else(|stop| stop.code.0, |code| code.0);
    tracing::info!(code, "ends");
    match ended {
        Ok(code) => ExitCode::from(code.0),
        Err(stop) => {
            let text = sanitize_text(&stop.text);
            if json {
                let event =
                    serde_json::json!({"v": 1, "event": "failed", "error": text, "code": stop.code.0});
                let _ = writeln!(std::io::stdout(), "{event}");
            }
            let _ = writeln!(std::io::stderr(), "halolab: {text}");
            ExitCode::from(stop.code.0)
        }
    }
}
