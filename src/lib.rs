//! halolab: sets up AI and development labs, and keeps them healthy.
//!
//! | module | knows | does I/O |
//! |---|---|---|
//! | [`stage`] | what a lab is made of | no |
//! | [`plan`] | what will be done, in which order | no |
//! | [`labs`] | which labs there are, out of what the daemon holds | yes |
//! | [`config`] | the user's settings | yes |
//! | [`document`] | TOML that people write, with the place of each mistake | reads files |
//! | [`paths`] | where files are, and how private ones are written | yes |
//! | [`run`] | how far it is done | yes |
//! | [`job`] | long commands inside labs, and what is known of them here | yes |
//! | [`backend`] | the daemons | yes |
//! | [`host`] | the machine | yes |
//! | [`prove`] | whether the GPU runs a kernel | yes |
//! | [`progress`] | how far a build is, out of what it prints | only the history file |
//! | [`spack`] | what Spack is told to build, and what that comes to | no |
//! | [`log`] | output of commands, and what of it may reach a terminal | yes |
//! | [`view`] | the log viewer: keys, panes, drawing | no |
//! | [`app`] | what the screens hold | only `effect` and `terminal` |
//! | [`ui`] | how it looks | no |
//! | [`cli`] | the verbs | yes |

pub mod app;
pub mod backend;
pub mod cli;
pub mod config;
pub mod document;
pub mod host;
pub mod job;
pub mod labs;
pub mod log;
pub mod paths;
pub mod plan;
pub mod progress;
pub mod prove;
pub mod run;
pub mod spack;
pub mod stage;
pub mod ui;
pub mod view;
pub mod zephyr;
