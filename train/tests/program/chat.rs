//! `hearth chat`.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::{
    evaluation::model,
    support::{done, error_of, folder, refused},
};

/// A chat over pipes.
fn chat(folder: &Path, model: &str, arguments: &[&str], lines: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hearth"))
        .args([&["chat", model, "--device", "cpu"], arguments].concat())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(lines);
    child.wait_with_output().unwrap()
}

fn answers(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

const GREEDY: [&str; 4] = ["--temperature", "0", "--max-tokens", "8"];

#[test]
fn a_line_of_a_pipe_is_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = model();
    let path = path.to_str().unwrap();
    let expected: Value = serde_json::from_str(&fs::read_to_string(model().join("expected.json")).unwrap()).unwrap();
    let texts = |name: &str| -> Vec<String> {
        let list = expected["chat"][name].as_array().unwrap();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let (questions, expected) = (texts("questions"), texts("answers"));
    let all = expected.join("\n") + "\n";
    let said = questions.join("\n") + "\n\n";
    let output = chat(folder, path, &GREEDY, said.as_bytes());
    assert_eq!(answers(&output), all);
    let told = String::from_utf8_lossy(&output.stderr);
    let first = "generation_config.json and the command line: temperature 0, top-k 40, top-p 0.9\n";
    assert!(told.starts_with(first) && told.ends_with("[the answer was cut at --max-tokens 8]\n"), "{told}");

    // What is taken back was never said, and the chat ends at /quit.
    let undone = format!("{}\nNonsense\n/undo\n{}\n/quit\n{}\n", questions[0], questions[1], questions[2]);
    let output = chat(folder, path, &[&GREEDY, &["--quiet"][..]].concat(), undone.as_bytes());
    let lines = answers(&output);
    assert!(
        lines.starts_with(&format!("{}\n", expected[0])) && lines.ends_with(&format!("\n{}\n", expected[1])),
        "{lines}"
    );
    assert!(output.stderr.is_empty());
    let anew = format!("Nonsense\n/reset\n{}", questions[0]);
    assert!(answers(&chat(folder, path, &GREEDY, anew.as_bytes())).ends_with(&format!("\n{}\n", expected[0])));

    // The system's message, given in either way, is another chat.
    let by_flag = answers(&chat(folder, path, &[&GREEDY, &["--system", "Be long."][..]].concat(), b"Hello"));
    assert_eq!(by_flag, answers(&chat(folder, path, &GREEDY, b"/system Be long.\nHello")));
    assert_ne!(by_flag, answers(&chat(folder, path, &GREEDY, b"Hello")));
    // A seed repeats.
    let drawn = |seed: &str| answers(&chat(folder, path, &["--seed", seed, "--max-tokens", "8"], b"Hello\nHello\n"));
    assert_eq!(drawn("3"), drawn("3"));
    assert_ne!(drawn("3"), drawn("4"));
}

#[test]
fn a_run_chats_by_the_template_in_its_folder() {
    let folder = folder("[limits]\nsteps = 2\n[evaluation]\nevery = 0\n[checkpoint]\nevery = 2\n");
    let folder = folder.path();
    done(folder, &["train", "run.toml", "--device", "cpu", "--out", "run"]);
    let said = refused(folder, &["chat", "run", "--device", "cpu"]);
    assert!(said.starts_with("run: has no chat template") && said.contains("use `hearth generate`"), "{said}");
    let template = "{% for message in messages %}{{ message.content }}\n{% endfor %}";
    fs::write(folder.join("chat_template.jinja"), template).unwrap();
    let own = [&GREEDY, &["--template", "chat_template.jinja"][..]].concat();
    let by_flag = answers(&chat(folder, "run", &own, b"No\n"));
    fs::copy(folder.join("chat_template.jinja"), folder.join("run/chat_template.jinja")).unwrap();
    for path in ["run", "run/step-00000002"] {
        assert_eq!(answers(&chat(folder, path, &GREEDY, b"No\n")), by_flag, "{path}");
    }
}

#[test]
fn what_cannot_be_said_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = model();
    let path = path.to_str().unwrap();
    fs::write(folder.join("broken.jinja"), "{% for %}").unwrap();
    fs::write(folder.join("no.jinja"), "{{ raise_exception('no chats') }}").unwrap();
    let long = "word ".repeat(200);
    for (arguments, lines, sentence) in [
        (&[][..], "/resett\n", "line 1: /resett is no command: there are /reset, /system TEXT, /undo, /help and /quit"),
        (&["--max-tokens", "2"], "Hello\n/undo 2\n", "line 2: /undo takes nothing behind it"),
        (&[], &long, "line 1: the message: has "),
        (&["--template", "broken.jinja"], "", "broken.jinja: line 1 of the chat template cannot be compiled"),
        (&["--template", "missing.jinja"], "", "missing.jinja: there is no such file"),
        (&["--template", "no.jinja"], "Hello", "line 1: the chat: the chat template refuses the chat: no chats"),
        (&["--max-tokens", "0"], "", "--max-tokens 0: must be at least 1"),
        (&["--context", "129"], "", "--context 129: must be from 8 to 128, the model's context"),
        (&["--top-p", "0"], "", "top_p = 0: must be above 0"),
    ] {
        let output = chat(folder, path, arguments, lines.as_bytes());
        let said = error_of(&output, arguments);
        assert!(said.starts_with(sentence), "{arguments:?} {lines:.20}: {said}");
    }
    let output = chat(folder, path, &[], b"caf\xe9\n");
    assert!(error_of(&output, &[]).starts_with("line 1: is no UTF-8"));
}
