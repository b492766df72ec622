//! Precedence: options, the file, defaults; and the changes of a second reading.

use super::*;
use log::LevelFilter;

/// The configuration of a command line and a file with this text.
fn config(line: &str, text: &str) -> Config {
    let file = std::env::temp_dir().join(format!(
        "sockexec-config-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, text).unwrap();
    let named = format!("--config={}", file.display());
    let words = line.split(' ').chain([&named[..]]);
    let config = Source::from_arguments(words).unwrap().load();
    std::fs::remove_file(&file).unwrap();
    config.unwrap()
}

#[test]
fn the_command_line_of_the_original() {
    let config = config(
        "sockexec -d -q 5 -m 7 -t 0 -k 3 -M 600 /tmp/exec.sock",
        "queue = 9",
    );
    assert_eq!(
        (
            config.settings.queue,
            config.settings.max_connections,
            config.settings.mode.0
        ),
        (5, 7, 0o600)
    );
    assert_eq!(config.settings.timeout, None);
    assert_eq!(config.settings.kill_timeout, Duration::from_secs(3));
    assert_eq!(config.settings.log_level, LevelFilter::Debug);
    assert_eq!(
        config.listen,
        [(Protocol::Exec, Address::Path("/tmp/exec.sock".into()))]
    );
}

#[test]
fn nothing_said_leaves_the_defaults() {
    let config = config("sockexec", "# nothing\n");
    assert_eq!(config.settings, Settings::default());
    assert_eq!(config.changed_since(&Config::default()), [""; 0]);
    assert!(config.rules.allow_everything() && config.file.is_some());
}

#[test]
fn options_win_over_the_file_and_the_file_over_the_default() {
    let text =
        "timeout = 5\nkill-timeout = 0.5\nlog-level = \"warn\"\nmode = \"0600\"\nidle-exit = 7";
    let config = config("sockexec -t 60 --log-level error x", text);
    assert_eq!(config.settings.timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.settings.kill_timeout, Duration::from_millis(500));
    assert_eq!(config.settings.linger, Duration::from_secs(1));
    assert_eq!(config.settings.log_level, LevelFilter::Error);
    assert_eq!(config.settings.mode.0, 0o600);
    assert_eq!(config.idle_exit(), Some(Duration::from_secs(7)));
}

#[test]
fn the_second_name_has_the_command_line_of_sockproc() {
    let here = std::env::current_dir().unwrap();
    for (line, address, background, pidfile) in [
        ("sockproc 13000", None, true, None),
        ("/usr/sbin/sockproc s p", Some("s"), true, Some("p")),
        ("sockproc s p --foreground", Some("s"), false, Some("p")),
        ("./sockproc --foreground 13000 p", None, false, Some("p")),
    ] {
        let config = config(line, "#\n");
        let address = match address {
            Some(path) => Address::Path(here.join(path)),
            None => Address::Tcp("127.0.0.1:13000".parse().unwrap()),
        };
        assert_eq!(config.listen, [(Protocol::Sockproc, address)], "{line}");
        assert_eq!(config.background, background, "{line}");
        assert_eq!(config.pidfile, pidfile.map(|p| here.join(p)), "{line}");
        assert!(!config.inetd);
    }
    for line in [
        "sockproc",
        "sockproc -q 5 x",
        "sockproc 0",
        "sockproc a b c",
    ] {
        assert!(Source::from_arguments(line.split(' ')).is_err(), "{line}");
    }
    assert!(Source::from_arguments(["mysockproc", "-q", "5"]).is_ok());
}

#[test]
fn what_changed_is_told_by_name() {
    let old = config("sockexec -q 5", "timeout = 5");
    for (text, changed) in [
        ("timeout = 5", &[][..]),
        ("timeout = 5\nqueue = 50", &[]),
        ("timeout = 5.0\nlog = \"auto\"", &[]),
        ("#", &["timeout"]),
        ("timeout = 0\nuser-share = 50", &["timeout", "user-share"]),
        ("timeout = 5\nidle-exit = 0", &["idle-exit"]),
        (
            "timeout = 5\nmode = \"0600\"\n[[allow]]\nprogram = \"*\"",
            &["mode", "allow"],
        ),
        ("timeout = 5\ndefault = \"allow\"", &["default"]),
    ] {
        let new = config("sockexec -q 5", text);
        assert_eq!(new.changed_since(&old), changed, "{text}");
    }
    let at_start: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    let at_start: Vec<_> = at_start
        .into_iter()
        .filter(|name| takes_effect_at_start(name))
        .collect();
    assert_eq!(at_start, ["queue", "mode", "log", "log-facility"]);
    assert!(!takes_effect_at_start("allow"));
}

#[test]
fn a_file_that_was_there_must_stay_there() {
    let directory = std::env::temp_dir().join(format!("sockexec-gone-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let mut source = Source::from_arguments(["sockexec"]).unwrap();
    source.file = directory.join("file");
    assert_eq!(source.load().unwrap().file, None);
    std::os::unix::fs::symlink("nowhere", &source.file).unwrap();
    let error = source.load().unwrap_err();
    assert!(error.contains("No such file"), "{error}");
    std::fs::remove_file(&source.file).unwrap();
    std::fs::write(&source.file, "queue = 3").unwrap();
    let config = source.load().unwrap();
    assert_eq!(
        (config.settings.queue, &config.file),
        (3, &Some(source.file.clone()))
    );
    std::fs::remove_dir_all(&directory).unwrap();
    let error = source.load().unwrap_err();
    assert!(error.contains("No such file"), "{error}");
}

/// The names of the users of programs: in general, and under the first rule.
fn users(line: &str, text: &str) -> (Option<String>, Option<String>) {
    let name = |run_as: &Option<RunAs>| {
        run_as.as_ref().map(|run_as| match run_as {
            RunAs::User(account) => account.name.clone(),
            RunAs::Peer => "peer".into(),
        })
    };
    let rules = config(line, text).rules;
    let rule = rules.iter().next();
    let of_rule = rule.and_then(|rule| name(&rule.execution.run_as));
    (name(&rules.general().run_as), of_rule)
}

#[test]
fn a_user_of_programs_by_option_is_for_a_file_that_names_none() {
    const RULE: &str = "[[allow]]\nprogram = \"*\"\n";
    let some = |name: &str| Some(name.to_owned());
    let by_option = "sockexec --job-user nobody";
    assert_eq!(users("sockexec", RULE), (None, None));
    assert_eq!(users(by_option, RULE), (some("nobody"), some("nobody")));
    let general = format!("run-as = \"peer\"\n{RULE}");
    assert_eq!(users(by_option, &general), (some("peer"), some("peer")));
    let of_rule = format!("{RULE}run-as = \"peer\"\n");
    assert_eq!(users(by_option, &of_rule), (some("nobody"), some("peer")));
    // The last one counts, and an empty one means the server's user.
    let twice = format!("{by_option} --job-user peer");
    assert_eq!(users(&twice, RULE), (some("peer"), some("peer")));
    let none = format!("{by_option} --job-user=");
    assert_eq!(users(&none, RULE), (None, None));
}

#[test]
fn a_user_of_programs_by_option_must_exist_and_is_not_root() {
    for (name, what) in [
        ("no such user", "there is no user \"no such user\""),
        ("4294967294", "there is no user \"4294967294\""),
        ("root", "only a rule may name root"),
        ("0", "only a rule may name root"),
    ] {
        let line = ["sockexec", "--job-user", name];
        let error = Source::from_arguments(line).unwrap().load().unwrap_err();
        let expected = format!("--job-user: {what}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_user_of_programs_by_option_counts_without_a_file() {
    let line = ["sockexec", "--job-user", "nobody"];
    let mut source = Source::from_arguments(line).unwrap();
    source.file = "/no/such/file".into();
    let rules = source.load().unwrap().rules;
    assert!(
        matches!(&rules.general().run_as, Some(RunAs::User(account)) if account.name == "nobody")
    );
    assert!(rules.allow_everything());
}
