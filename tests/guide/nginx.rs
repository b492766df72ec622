//! `examples/nginx.conf`, and the locations that the pages show, in a real nginx.

use crate::common::daemon::command;
use crate::common::{Daemon, PATIENCE, Setup, process, skip};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

const MODULES: [&str; 2] = ["ndk_http_module.so", "ngx_http_lua_module.so"];

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules for Lua. `None`, with a message, if there are none.
fn modules() -> Option<String> {
    let directory = Path::new("/usr/lib/nginx/modules");
    let modules = MODULES.map(|name| directory.join(name));
    if !modules.iter().all(|module| module.is_file()) {
        skip::missing("nginx has no Lua module");
        return None;
    }
    let lines = modules.map(|module| format!("load_module {};\n", module.display()));
    Some(lines.concat())
}

/// The site of the examples with its socket, its address and its program in our directory.
fn site(text: &str, daemon: &Daemon) -> String {
    let ours = |name| daemon.directory.join(name).to_str().unwrap().to_owned();
    text.replace("/run/sockexec/exec.sock", daemon.path().to_str().unwrap())
        .replace("127.0.0.1:8080", &format!("unix:{}", ours("http")))
        .replace("/usr/local/bin/slow-print", &ours("slow-print"))
}

/// An nginx with one server, and the daemon behind it.
struct Nginx {
    process: Child,
    daemon: Daemon,
}

impl Nginx {
    /// Serves the site of the examples. `None`, with a message, without nginx.
    fn example() -> Option<Self> {
        let text = fs::read_to_string(tree().join("examples/nginx.conf")).unwrap();
        Self::start(&text)
    }

    fn start(server: &str) -> Option<Self> {
        let nginx = skip::unless_tool("nginx")?;
        let mut text = modules()?;
        let daemon = Setup::new().start();
        let directory = daemon.directory.path().to_str().unwrap();
        if process::own_user().0 == 0 {
            // The sockets belong to root.
            text += "user root;\n";
        }
        text += &format!(
            "daemon off;\nworker_processes 1;\npid {directory}/pid;\nevents {{}}\nhttp {{\n\
             access_log off;\nlua_package_path '{}/lua/lib/?.lua;;';\n",
            tree().display()
        );
        for part in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            text += &format!("{part}_temp_path {directory}/{part};\n");
        }
        text += &format!("{}\n}}\n", site(server, &daemon));
        let file = daemon.directory.file("nginx.conf", 0o644, text);
        let log = format!("{directory}/error.log");
        let process = command(nginx)
            .args(["-p", directory, "-c", &file, "-e", &log])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { process, daemon };
        process::eventually("nginx listens", || started.connect().is_ok());
        Some(started)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.daemon.directory.join(name)
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.path("http"))
    }

    /// The status of a reply, its body, with the marks of its chunks if it has them, and whether it is
    /// complete.
    #[track_caller]
    fn get(&self, path: &str) -> (u16, String, bool) {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    #[track_caller]
    fn ask(&self, request: &str) -> (u16, String, bool) {
        let mut stream = self.connect().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").expect(&reply);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let complete = body.ends_with("0\r\n\r\n") || head.contains("Content-Length");
        (status.expect(head), body.to_owned(), complete)
    }

    /// The reply is complete and has this status and these words.
    #[track_caller]
    fn shows(&self, path: &str, status: u16, words: &str) {
        let (found, body, complete) = self.get(path);
        let log = fs::read_to_string(self.path("error.log")).unwrap_or_default();
        assert!(body.contains(words), "{path}: {body}\n{log}");
        assert_eq!(found, status, "{path}: {body}");
        assert!(complete, "{path}: {body}");
    }

    fn slow_print(&self, script: &str) {
        let text = format!("#!/bin/sh\n{script}\n");
        self.daemon.directory.file("slow-print", 0o755, text);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        process::signal_if_there(self.process.id(), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

#[test]
fn the_locations_of_the_example_work() {
    let Some(nginx) = Nginx::example() else {
        return;
    };
    nginx.shows("/uname-1", 200, "Linux\n");
    nginx.shows("/uname-2", 200, "Linux ");
    nginx.shows("/cat-1", 200, "this is neat!");
    nginx.shows("/cat-2", 200, "awesome");
    nginx.shows("/shell", 200, "/usr/bin");
    nginx.shows("/factor?number=91", 200, "91: 7 13");
    nginx.shows("/factor?number=1;id", 400, "1;id");
    let upload = "POST /sha256 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                  Content-Length: 5\r\n\r\nhello";
    let (status, body, complete) = nginx.ask(upload);
    assert!(body.contains("2cf24dba5fb0a30e26e83b2ac5b9e29e"), "{body}");
    assert_eq!((status, complete), (200, true));
}

#[test]
fn a_program_that_is_not_there_or_fails_is_not_an_empty_success() {
    let Some(nginx) = Nginx::example() else {
        return;
    };
    nginx.shows("/slow-print", 502, "slow-print: No such file or directory");
    let file = nginx
        .daemon
        .directory
        .file("slow-print", 0o644, "#!/bin/sh\n");
    nginx.shows("/slow-print", 502, "Permission denied");
    fs::remove_file(file).unwrap();
    nginx.slow_print("echo a reason >&2; exit 1");
    nginx.shows("/slow-print", 502, "a reason");
    nginx.slow_print("exit 3");
    nginx.shows("/slow-print", 502, "it ended with 3");
    nginx.slow_print("kill -9 $$");
    nginx.shows("/slow-print", 502, "it ended with 9");
    nginx.slow_print("for word in one two three; do echo $word; done");
    nginx.shows("/slow-print", 200, "three");
    // Nothing to print is a success.
    nginx.slow_print(":");
    nginx.shows("/slow-print", 200, "");
    // A part that was sent is not taken for the whole.
    nginx.slow_print("echo one; exit 1");
    let (status, body, complete) = nginx.get("/slow-print");
    assert!(body.contains("one\n"), "{body}");
    assert_eq!((status, complete), (200, false), "{body}");
    // The same without a server.
    fs::remove_file(nginx.daemon.path()).unwrap();
    nginx.shows("/slow-print", 502, "no such file");
    nginx.shows("/factor?number=91", 502, "502 Bad Gateway");
}

/// The locations that a page shows, in the order of the page.
fn locations(page: &str) -> String {
    let text = fs::read_to_string(tree().join(page)).unwrap();
    let blocks = text.split("\n```nginx\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().unwrap());
    let blocks: Vec<_> = blocks
        .filter(|block| block.starts_with("location "))
        .collect();
    assert!(!blocks.is_empty(), "{page}");
    blocks.join("\n")
}

fn shown(page: &str) -> Option<Nginx> {
    Nginx::start(&format!(
        "server {{ listen 127.0.0.1:8080;\n{}\n}}",
        locations(page)
    ))
}

#[test]
fn the_location_in_readme_works() {
    let Some(nginx) = shown("README.md") else {
        return;
    };
    nginx.shows("/upper?text=hello", 200, "HELLO");
}

#[test]
fn the_locations_in_the_page_about_nginx_work() {
    let Some(nginx) = shown("docs/nginx.md") else {
        return;
    };
    nginx.shows("/uname", 200, "Linux\n");
    nginx.shows("/factor?number=91", 200, "91: 7 13");
    nginx.shows("/factor?number=1;id", 400, "1;id");
}

#[test]
fn the_location_in_the_page_about_migrating_works() {
    let Some(nginx) = shown("docs/migrating.md") else {
        return;
    };
    nginx.shows("/capitals?text=hello", 200, "HELLO");
}
