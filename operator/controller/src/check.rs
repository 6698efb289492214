//! A look at an operator's probe, for images without other tools: `helm test` uses it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long the operator may take to answer well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `http://HOST:PORT/PATH` until it answers 200.
///
/// # Errors
/// When it does not within half a minute, with the last answer.
pub async fn check(url: &str) -> anyhow::Result<()> {
    let place = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
    let (host, path) = place.with_context(|| format!("'{url}' is not of the form http://HOST:PORT/PATH"))?;
    let mut last = None;
    let well = timeout(PATIENCE, async {
        while let Err(error) = ask(host, path).await {
            last = Some(error);
            sleep(Duration::from_millis(500)).await;
        }
    });
    if well.await.is_err() {
        bail!("{url}: {:#}", last.unwrap_or_else(|| anyhow::anyhow!("no answer")));
    }
    println!("{url}: ok");
    Ok(())
}

async fn ask(host: &str, path: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let head = answer.lines().next().unwrap_or_default();
    ensure!(head.split(' ').nth(1) == Some("200"), "it answers '{head}'");
    Ok(())
}
