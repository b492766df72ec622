//! HTTP: good requests, bad ones, and clients that are slow or never read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use sockexec::control::message::Response as Answer;

use crate::common::process::eventually;
use crate::common::{PATIENCE, Setup};
use crate::exporter::{Exporter, Response};
use crate::exposition::{read, value};
use crate::server::Server;

#[test]
fn a_get_is_answered_with_the_figures_of_the_server() {
    let daemon = Setup::new().control().start();
    let exporter = Exporter::of(&daemon.control_path(), "20");
    for _ in 0..3 {
        daemon.serves();
    }
    let all = read(&exporter.figures());
    let path = daemon.control_path().display().to_string();
    let figure = |name: &str| value(&all, name, Some(("instance", &path)));
    assert_eq!(figure("sockexec_up"), 1.0);
    assert_eq!(figure("sockexec_scrape_failed"), 0.0);
    assert_eq!(figure("sockexec_connections_accepted_total"), 3.0);
    assert_eq!(figure("sockexec_job_seconds_count"), 3.0);
    let every = all.iter().flat_map(|metric| &metric.samples);
    for (name, labels, _) in every {
        assert_eq!(labels.get("instance"), Some(&path), "{name}");
    }
    assert_eq!(exporter.stop(), "");
}

#[test]
fn a_head_is_answered_with_what_comes_before_the_figures() {
    let daemon = Setup::new().control().start();
    let exporter = Exporter::of(&daemon.control_path(), "20");
    let bytes = exporter.exchange("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = Response::head_of(&bytes);
    assert_eq!((&response.status[..], &response.body[..]), ("200 OK", ""));
    let length: usize = response.header("Content-Length").unwrap().parse().unwrap();
    assert!(length > 1000, "{length}");
}

#[test]
fn other_requests_get_the_error_that_is_meant_for_them() {
    let exporter = Exporter::of(Path::new("/nonexistent/control.sock"), "20");
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000));
    let many = format!(
        "GET /metrics HTTP/1.1\r\nHost: a\r\n{}",
        "A: b\r\n".repeat(2000)
    );
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
        (
            "DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
            "405 Method Not Allowed",
        ),
        ("GET /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /metrics\r\n\r\n", "400 Bad Request"),
        ("\u{1}\u{2}\n\n", "400 Bad Request"),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "505 HTTP Version Not Supported",
        ),
        (&long, "431 Request Header Fields Too Large"),
        (&many, "431 Request Header Fields Too Large"),
    ] {
        let response = exporter.respond(request);
        assert_eq!(response.status, status, "{request}");
        assert!(response.body.ends_with('\n') && response.body.len() > 5);
        let allow = (status.starts_with("405")).then_some("GET, HEAD");
        assert_eq!(response.header("Allow"), allow);
    }
    assert_eq!(exporter.stop(), "");
}

#[test]
fn a_body_that_is_not_wanted_does_not_cost_the_answer() {
    let exporter = Exporter::of(Path::new("/nonexistent/control.sock"), "20");
    let mut request =
        b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n".to_vec();
    request.resize(request.len() + 60_000, b'x');
    assert_eq!(exporter.respond(request).status, "405 Method Not Allowed");
}

#[test]
fn a_slow_request_has_an_end() {
    let exporter = Exporter::of(Path::new("/nonexistent/control.sock"), "0.2");
    let late = exporter.respond("GET /metrics HTTP/1.1\r\nHost:");
    assert_eq!(late.status, "408 Request Timeout");
    // One without a byte is closed, as is a connection that only checks whether something listens.
    assert_eq!(exporter.exchange(""), b"");
    // The end of the client's side is none of its request.
    let mut cut = TcpStream::connect(exporter.address).unwrap();
    cut.write_all(b"GET /metrics").unwrap();
    cut.shutdown(std::net::Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    cut.read_to_end(&mut bytes).unwrap();
    assert_eq!(Response::of(&bytes).status, "400 Bad Request");
}

#[test]
fn a_server_that_does_not_run_is_down_and_the_scrape_no_failure() {
    let directory = crate::common::temporary::Directory::new();
    for path in [
        directory.join("none"),
        directory.file("plain", 0o644, "").into(),
    ] {
        let exporter = Exporter::of(&path, "20");
        let all = read(&exporter.figures());
        let path = path.display().to_string();
        let label = Some(("instance", &path[..]));
        assert_eq!(value(&all, "sockexec_up", label), 0.0);
        assert_eq!(value(&all, "sockexec_scrape_failed", label), 0.0);
        assert_eq!(all.len(), 2);
        assert_eq!(exporter.stop(), "");
    }
}

#[test]
fn a_server_that_does_not_answer_as_it_must_is_reported() {
    let bad = |text: String| Server::answering(move |_| Answer::success(text.clone()));
    let servers = [
        (
            Server::start(|peer| peer.linger()),
            "no answer within 0.3 s",
        ),
        (Server::start(|_| {}), "closed the connection"),
        (Server::answering(|_| Answer::failure("no")), ": no"),
        (
            bad("sockexec_up 1\n".into()),
            "cannot be understood: sockexec_up 1",
        ),
        (
            bad("x".repeat(5 << 20)),
            "cannot be understood: a message of",
        ),
    ];
    for (server, reason) in &servers {
        // Only the first is waited for to the end.
        let timeout = if reason.ends_with("0.3 s") {
            "0.3"
        } else {
            "20"
        };
        let exporter = Exporter::of(server.path(), timeout);
        let all = read(&exporter.figures());
        let path = server.path().display().to_string();
        let label = Some(("instance", &path[..]));
        assert_eq!(value(&all, "sockexec_up", label), 0.0, "{reason}");
        assert_eq!(value(&all, "sockexec_scrape_failed", label), 1.0);
        let errors = exporter.stop();
        assert!(errors.contains(reason), "{reason}: {errors}");
        assert_eq!(errors.matches(&path).count(), 1, "{errors}");
    }
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let line = format!("sockexec_x{{a=\"{}\"}} 1\n", "y".repeat(3 << 20));
    let text = format!("# HELP sockexec_x x\n# TYPE sockexec_x gauge\n{line}");
    let server = Server::answering(move |_| Answer::success(text.clone()));
    let exporter = Exporter::of(server.path(), "3");
    let mut client = TcpStream::connect(exporter.address).unwrap();
    client.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    // The process closes the connection in the middle of its answer.
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut errors = false;
    eventually("the other side has gone", || {
        errors |= client.write_all(b"x").is_err();
        errors
    });
    assert_eq!(exporter.stop(), "");
}
