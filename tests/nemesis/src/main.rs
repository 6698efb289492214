//! Faults on real monitors. `cargo xtask nemesis` builds what is needed and runs this in namespaces of its own;
//! docs/nemesis.md says what is done and how to read the result.

mod campaign;
mod cluster;
mod disk;
mod fault;
mod load;
mod member;
mod network;
mod round;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::campaign::{Account, Campaign};
use crate::cluster::Tools;
use crate::fault::Class;

#[derive(Parser)]
#[command(about = "Faults on real monitors, with the clients' histories checked.")]
struct Arguments {
    /// The monitor's program.
    #[arg(long)]
    mon: PathBuf,
    /// Where folders of runs are made.
    #[arg(long)]
    out: PathBuf,
    /// How many rounds must count, over both clusters.
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// What chooses faults and victims; a new one when none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Leave the folders when nothing failed, too.
    #[arg(long)]
    keep: bool,
    /// Only faults of this class (kill, pause, partition, one-way, one-link, disk-full, disk-slow, clock, replace,
    /// power-cut); can be given several times.
    #[arg(long)]
    class: Vec<String>,
    /// Sizes of the clusters, which run side by side.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 5])]
    sizes: Vec<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("test nemesis ... FAILED\n    {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    private_mounts()?;
    let seed = arguments.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let classes = classes(&arguments.class)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tools = Tools {
        mon: arguments.mon.canonicalize().context("--mon")?,
        faketime: faketime(),
        runtime: runtime.handle().clone(),
    };
    std::fs::create_dir_all(&arguments.out)?;
    let folder = arguments.out.canonicalize()?.join(format!("seed-{seed}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    println!("    seed {seed}; again: cargo xtask nemesis --seed {seed} --rounds {}", arguments.rounds);
    let count = arguments.sizes.len() as u64;
    let campaigns: Vec<Campaign> = arguments
        .sizes
        .iter()
        .zip(0u8..)
        .map(|(size, number)| Campaign {
            size: *size,
            rounds: arguments.rounds / count + u64::from(u64::from(number) < arguments.rounds % count),
            seed: seed.wrapping_add(u64::from(number) << 32),
            classes: classes.clone(),
            number: number + 1,
        })
        .collect();
    let accounts: Vec<Account> = std::thread::scope(|scope| {
        let threads: Vec<_> = campaigns
            .iter()
            .map(|campaign| {
                let (folder, tools) = (folder.join(format!("{}-monitors", campaign.size)), &tools);
                scope.spawn(move || campaign::run(campaign, &folder, tools))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Account {
                    failure: Some("the test itself panicked".into()),
                    ..Account::default()
                })
            })
            .collect()
    });
    Ok(report(arguments, &folder, &accounts))
}

fn report(arguments: &Arguments, folder: &Path, accounts: &[Account]) -> bool {
    let outlines: Vec<_> = accounts.iter().flat_map(|account| account.outlines.clone()).collect();
    println!("\n{}", campaign::table(&outlines));
    let counted = outlines.iter().filter(|outline| outline.fault.is_some()).count() as u64;
    let mut failures: Vec<String> = accounts.iter().filter_map(|account| account.failure.clone()).collect();
    if failures.is_empty() && counted < arguments.rounds {
        failures.push(format!("only {counted} of {} rounds happened", arguments.rounds));
    }
    let mut skipped: Vec<&String> = accounts.iter().flat_map(|account| &account.skipped).collect();
    skipped.sort();
    skipped.dedup();
    for reason in skipped {
        println!("test nemesis::{} ... skipped: {reason}", reason.split(':').next().unwrap_or_default());
    }
    for failure in &failures {
        println!("test nemesis ... FAILED\n    {failure}");
    }
    if failures.is_empty() {
        println!("test nemesis::{counted}_rounds ... ok");
        if arguments.keep {
            println!("    kept in {}", folder.display());
        } else if let Err(error) = std::fs::remove_dir_all(folder) {
            println!("    cannot remove {}: {error}", folder.display());
        }
    }
    failures.is_empty()
}

fn classes(names: &[String]) -> Result<Vec<Class>> {
    if names.is_empty() {
        return Ok(Class::ALL.to_vec());
    }
    let find = |name: &String| Class::ALL.into_iter().find(|class| class.name() == name);
    names
        .iter()
        .map(|name| find(name).with_context(|| format!("no class of faults is called {name}")))
        .collect()
}

/// Mounts that nobody else sees and that end with us: names of network namespaces, shared memory of libfaketime.
fn private_mounts() -> Result<()> {
    // Who may not look at the first process is in a user namespace, which has a network of its own.
    if let Ok(first) = std::fs::read_link("/proc/1/ns/net") {
        ensure!(
            first != std::fs::read_link("/proc/self/ns/net")?,
            "this must run in a network namespace of its own: use cargo xtask nemesis"
        );
    }
    for place in ["/run", "/dev/shm"] {
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs", place]).status().context("mount")?;
        ensure!(status.success(), "cannot mount on {place}: use cargo xtask nemesis");
    }
    std::fs::create_dir_all("/run/netns").context("/run/netns")
}

/// Where Debian's package puts it.
fn faketime() -> Option<PathBuf> {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let library = Path::new(&folder).join("libfaketimeMT.so.1");
    library.exists().then_some(library)
}
