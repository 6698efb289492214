//! `rados-client-check KEYRING FSID ADDRESS...`: connects as client.admin and runs commands.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rados::monclient::{AuthConfig, MonClient, MonClientConfig};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [keyring, fsid, addresses @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: rados-client-check KEYRING FSID ADDRESS...");
    };
    let config = MonClientConfig {
        mon_addrs: addresses.to_vec(),
        auth: Some(AuthConfig::from_keyring("client.admin".to_owned(), keyring)?),
        command_timeout: Duration::from_secs(20),
        ..Default::default()
    };
    let client = MonClient::new(config, None).await?;
    client.init().await.context("cannot connect")?;
    client.wait_for_auth(Duration::from_secs(20)).await?;
    client.wait_for_monmap(Duration::from_secs(20)).await?;
    ensure!(client.get_fsid().await.to_string() == *fsid, "the monmap has another fsid");
    let run = async |command: &str| -> Result<String> {
        let said = client.invoke(vec![command.to_owned()], Bytes::new()).await.with_context(|| command.to_owned())?;
        ensure!(said.retval == 0, "{command}: {} {}", said.retval, said.outs);
        Ok(String::from_utf8_lossy(&said.outbl).into_owned())
    };
    ensure!(run(r#"{"prefix": "fsid"}"#).await?.trim() == fsid, "fsid");
    run(r#"{"prefix": "config-key set", "key": "from/rust", "val": "hello"}"#).await?;
    ensure!(run(r#"{"prefix": "config-key get", "key": "from/rust"}"#).await? == "hello", "config-key get");
    ensure!(run(r#"{"prefix": "status", "format": "json"}"#).await?.contains(fsid.as_str()), "status");
    client.shutdown().await?;
    println!("ok");
    Ok(())
}
