//! The answers of the servers of these tests.

use serde_json::{Value, json};
use sockexec::control::message::{Request, Response};

/// A status, after this number of seconds of the server's life. Ten jobs end in each, and take 1 KiB and
/// give 2 KiB each.
pub fn status(uptime: u64) -> Value {
    let times = json!({"window": 300.0, "count": 120, "p50": 0.0012, "p90": 0.034, "p99": 1.5,
        "max": 185.0});
    json!({"version": "4.0.0", "pid": 123, "uptime": uptime as f64, "state": "serving",
        "limits": {"max-connections": 100, "programs": 90, "timeout": 60.0,
            "request-timeout": 10.0, "kill-timeout": 10.0, "stop-grace": 0.0, "user-share": 100,
            "requests-memory": 67_108_864, "spool-total": 8_589_934_592_u64, "log-level": "info"},
        "active": 3, "parked": 4, "throttled": 2, "waiting": 5, "programs": 6, "lingering": 7,
        "detached": 8, "control": 1,
        "queued": 8,
        "listeners": [
            {"protocol": "exec", "address": "/run/sockexec/exec.sock", "queued": 8},
            {"protocol": "control", "address": "/run/sockexec/control.sock", "queued": null}],
        "totals": {"accepted": 9, "bytes-in": 10_240 * uptime, "bytes-out": 20_480 * uptime,
            "commands": 11, "log-lines-lost": 12, "throttled": 13},
        "outcomes": {"exit-zero": 10 * uptime, "exit-nonzero": 1, "signal": 2, "timeout": 3,
            "disconnected": 4, "malformed": 5, "refused": 6, "not-started": 7},
        "spawn-failures": {"ENOENT": 5, "EACCES": 2}, "request-bytes": 0, "spool-bytes": 2048, "memory": 12_582_912,
        "descriptors": {"open": 45, "limit": 1024},
        "duration": times, "first-byte": times, "turn": times, "of-a-newer-version": [1]})
}

/// This number of jobs.
pub fn jobs(count: u64) -> Value {
    (1..=count)
        .map(|id| {
            json!({"id": id, "protocol": "exec", "peer": {"uid": 33, "gid": 33, "pid": 123},
                "pid": 4567, "argv": ["sleep", "100"], "argv-cut": false,
                "title": "sleep 100 ".repeat(20), "age": 100.0 - id as f64,
                "deadline": 58.75, "in": 1536, "out": 1024, "err": 1024, "state": "running"})
        })
        .collect()
}

/// Two jobs that have ended, of which the later one has failed.
pub fn recent() -> Value {
    let job = jobs(1)[0].take();
    let ended = |seq: u64, outcome: &str, code: i32| {
        let mut ended = job.clone();
        let more = json!({"seq": seq, "time": 0.0, "outcome": outcome, "failed": code != 0,
            "exit": code, "stderr": "no such file\n", "state": "ended"});
        let more = more.as_object().unwrap().clone();
        ended.as_object_mut().unwrap().extend(more);
        ended
    };
    json!({"ended": 2, "kept": 1000, "jobs": [ended(2, "exit-nonzero", 3), ended(1, "exit-zero", 0)]})
}

/// What a server with these jobs answers. Each status is a second after the one before.
pub fn serving(count: u64) -> impl FnMut(&Request) -> Response + Send + 'static {
    let mut uptime = 3661;
    move |request| {
        Response::success(match request.cmd.as_str() {
            "status" => {
                uptime += 1;
                status(uptime - 1).to_string()
            }
            "jobs" => jobs(count).to_string(),
            other => return Response::failure(format!("{other} is not for here")),
        })
    }
}
