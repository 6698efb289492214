//! The doors beside the monitor port: the admin socket and HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::asok::{self, AdminSocket, AsokError};
use crate::config::Settings;
use crate::exit::{Exit, Failed};
use crate::handle::CoreHandle;
use crate::http::address_file::AddressFile;
use crate::http::metrics::Metrics;
use crate::http::{self, AppState, HttpConfig, HttpError, Listening, TlsFiles};

/// Both doors; they close when this is dropped.
pub(crate) struct Endpoints {
    _socket: Option<AdminSocket>,
    http: Option<Listening>,
    _address_file: Option<AddressFile>,
}

/// Opens those that the settings name.
pub(crate) async fn open(
    settings: &Settings,
    core: &CoreHandle,
    metrics: Arc<Metrics>,
) -> Result<Endpoints, Failed> {
    let missing = folders(settings).into_iter().find(|folder| !folder.is_dir());
    if let Some(folder) = missing {
        tracing::warn!(
            "there is no folder {0}, so there is no admin socket, and `mon status` and its like need --url; make {0} for \
             this user, or set run_dir",
            folder.display()
        );
    }
    let in_a_folder = |path: &&PathBuf| missing.is_none() || folder_of(path).is_some_and(Path::is_dir);
    let mut socket = None;
    if let Some(path) = settings.process.admin_socket.as_ref().filter(in_a_folder) {
        match asok::serve(path, core.clone()).await {
            Ok(open) => socket = Some(open),
            Err(error @ AsokError::InUse(_)) => return Err(Failed::new(Exit::AddressInUse, error)),
            // Stock monitors go on without it as well: it is for people, not for the cluster.
            Err(error @ AsokError::Open { .. }) => tracing::warn!("{error}"),
        }
    }
    let (mut listening, mut address_file) = (None, None);
    if let Some(listen) = settings.http.listen {
        let tls = settings.http.tls.clone().map(|(certificate, key)| TlsFiles { certificate, key });
        let config = HttpConfig {
            listen,
            tls,
            token_file: settings.http.token_file.clone(),
            connections_max: settings.http.connections_max,
            patience: settings.http.patience,
        };
        let open = http::serve(&config, AppState { core: core.clone(), metrics }).await.map_err(failed_by)?;
        tracing::info!(address = %open.address, "serving http");
        if let Some(path) = settings.http.address_file.as_ref().filter(in_a_folder) {
            match AddressFile::write(path, open.address, config.tls.is_some()) {
                Ok(written) => address_file = Some(written),
                // It is for finding the endpoint, which works without as well.
                Err(error) => tracing::warn!(
                    "cannot write {}: {error}; `mon status` and its like need --url. Let this user write there, or set \
                     mon_http_address_file",
                    path.display()
                ),
            }
        }
        listening = Some(open);
    }
    Ok(Endpoints { _socket: socket, http: listening, _address_file: address_file })
}

/// Where the admin socket and the address file are to be; usually one folder.
pub(crate) fn folders(settings: &Settings) -> Vec<&Path> {
    let mut folders: Vec<&Path> = [&settings.process.admin_socket, &settings.http.address_file]
        .into_iter()
        .flatten()
        .filter_map(|path| folder_of(path))
        .collect();
    folders.dedup();
    folders
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        if let Some(http) = &self.http {
            http.stop();
        }
    }
}

fn failed_by(error: HttpError) -> Failed {
    let exit = match &error {
        HttpError::Bind { source, .. } => Exit::of_bind(source),
        HttpError::Unprotected(_) | HttpError::Tls { .. } | HttpError::Token { .. } => Exit::Configuration,
    };
    Failed::new(exit, error)
}
