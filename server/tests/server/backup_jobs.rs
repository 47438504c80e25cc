//! Backup jobs that others run and that say by themselves how they go: row 16, with the real program.

use crate::observers::events;
use crate::program::{Program, until};
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ESTATE: &str = r#"
name = "jobs"
[[region]]
id = "east"
name = "East"
[[service]]
id = "cache"
tier = 3
rto = "1h"
rpo = "1h"
mtpd = "24h"
data_class = "standard"
[[destination]]
id = "elsewhere"
region = "east"
[[backup_policy]]
id = "hourly"
service = "cache"
type = "snapshot"
source = { by = "reported" }
schedule = "0 * * * *"
grace = "2s"
retention = "7d"
destinations = ["elsewhere"]
"#;

fn program() -> Program {
    let program = Program::new("[backup_job.hourly]\ntoken_file = \"job.token\"\n", ESTATE);
    program.write("job.token", TOKEN);
    program
}

/// What happened to backups, oldest first.
fn story(program: &Program) -> Vec<String> {
    events(program, "backup").iter().map(|event| event["what"]["happened"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_job_tells_that_it_began_and_how_it_ended_and_telling_twice_changes_nothing() {
    let program = program();
    let server = program.serve("warn");
    let client = reqwest::Client::new();
    let tell = async |path: &str, token: &str, body: &str| {
        let request = client.post(format!("{}/api/v1/backups/{path}", server.address)).bearer_auth(token);
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    };
    let run = "run=01890a5d-ac96-774b-bcce-b302099a8057";
    let success = r#"{"bytes": 1048576, "recoverable_to": "2026-01-02T03:00:00Z", "tool": "redis-cli 7.0"}"#;
    assert_eq!(tell(&format!("hourly/start?{run}"), TOKEN, "").await, 204);
    assert_eq!(tell(&format!("hourly/start?{run}"), TOKEN, "").await, 204);
    assert_eq!(tell(&format!("hourly/success?{run}"), TOKEN, success).await, 204);
    assert_eq!(tell(&format!("hourly/success?{run}"), TOKEN, success).await, 204);
    assert_eq!(tell(&format!("hourly/fail?{run}"), TOKEN, "").await, 204, "too late to be anything else");
    assert_eq!(story(&program), ["started", "taken", "completed"]);
    let taken: &Value = &events(&program, "backup")[1];
    assert_eq!(
        (&taken["what"]["contents"]["files"][0]["bytes"], &taken["what"]["contents"]["tool"]),
        (&Value::from(1_048_576), &Value::from("redis-cli 7.0"))
    );

    // Without a beginning, and by exit codes.
    assert_eq!(tell("hourly/exit/0", TOKEN, "").await, 204);
    assert_eq!(tell("hourly/exit/3", TOKEN, "").await, 204);
    assert_eq!(story(&program)[3..], ["started", "taken", "completed", "started", "failed"]);
    assert_eq!(events(&program, "backup").last().unwrap()["what"]["why"], "it ended with the exit code 3");

    // A beginning and nothing more: failed, when the grace is over. A new beginning ends the one before it.
    assert_eq!(tell("hourly/start", TOKEN, "").await, 204);
    assert_eq!(tell("hourly/start", TOKEN, "").await, 204);
    assert_eq!(story(&program)[8..], ["started", "failed", "started"]);
    until("its silence is a failure", async || story(&program).len() == 12).await;
    assert_eq!(events(&program, "backup").last().unwrap()["what"]["why"], "it said that it began, and nothing more for 2s");

    // Who has no token learns nothing, and what is malformed is no success.
    let before = story(&program).len();
    assert_eq!(tell("hourly/success", "f".repeat(32).as_str(), "").await, 401);
    assert_eq!(tell("weekly/success", TOKEN, "").await, 401);
    for malformed in ["{", r#"{"bytes": -1}"#, r#"{"sha256": "abc"}"#, r#"{"size": 1}"#] {
        assert_eq!(tell("hourly/success", TOKEN, malformed).await, 400, "{malformed}");
    }
    assert_eq!(tell("hourly/exit/often", TOKEN, "").await, 400);
    assert_eq!(story(&program).len(), before);
    server.stop();
}

#[test]
fn a_token_for_a_policy_that_is_not_reported_is_a_mistake() {
    let program = Program::new("[backup_job.nightly]\ntoken_file = \"t\"\n", ESTATE);
    program.write("t", TOKEN);
    program.run(&["serve"]).refused(&["backup jobs of nightly"]);
}
