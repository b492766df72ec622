//! The figures of servers for Prometheus: as HTTP answers, of several servers at once, and the examples
//! of alerts and of a dashboard, all with the real Prometheus where it is installed.

#[path = "../common/mod.rs"]
mod common;
#[path = "../control/exposition.rs"]
mod exposition;
#[path = "../ctl/server.rs"]
#[allow(dead_code)]
mod server;

mod examples;
mod exporter;
mod http;
mod instances;
mod promtool;
mod scrape;
