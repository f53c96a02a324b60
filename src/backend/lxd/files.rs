//! Files inside an instance.

use reqwest::Method;

use super::{
    Lxd,
    instances::{about, check_known, path},
};
use crate::backend::Result;

impl Lxd {
    fn file_url(&self, name: &str, file: &str) -> String {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("path", file)
            .finish();
        format!("{}{}/files?{query}", self.transport.base, path(name))
    }

    /// Writes a file and looks at its size after: a wrong content type writes nothing and answers yes (measured).
    pub(super) async fn write_file(
        &self,
        name: &str,
        file: &str,
        bytes: &[u8],
        (mode, owner): (u32, (u32, u32)),
    ) -> Result<()> {
        let about = about(&format!("write {file} in"), name);
        check_known(name, &about)?;
        let mut request = self
            .transport
            .http
            .request(Method::POST, self.file_url(name, file))
            .header("Content-Type", "application/octet-stream");
        for brand in ["LXD", "Incus"] {
            request = request
                .header(format!("X-{brand}-type"), "file")
                .header(format!("X-{brand}-uid"), owner.0.to_string())
                .header(format!("X-{brand}-gid"), owner.1.to_string())
                .header(format!("X-{brand}-mode"), format!("{mode:04o}"))
                .header(format!("X-{brand}-write"), "overwrite");
        }
        let response = request
            .body(bytes.to_vec())
            .send()
            .await
            .map_err(|e| self.transport.failed(&about, &e))?;
        let text = response
            .bytes()
            .await
            .map_err(|e| self.transport.failed(&about, &e))?;
        let told: super::wire::Envelope =
            serde_json::from_slice(&text).map_err(|e| self.transport.protocol(&about, &e.to_string()))?;
        if told.kind == "error" {
            return Err(about.refused(told.error_code, &told.error));
        }
        let written = self.read_file(name, file).await?;
        if written.len() != bytes.len() {
            return Err(about.no(format!("{} of {} bytes were written", written.len(), bytes.len())));
        }
        Ok(())
    }

    /// Reads a file.
    pub(super) async fn read_file(&self, name: &str, file: &str) -> Result<Vec<u8>> {
        let about = about(&format!("read {file} in"), name);
        check_known(name, &about)?;
        let response = self.transport.http.get(self.file_url(name, file)).send().await;
        let response = response.map_err(|e| self.transport.failed(&about, &e))?;
        let ok = response.status().is_success();
        let bytes = response
            .bytes()
            .await
            .map_err(|e| self.transport.failed(&about, &e))?;
        if ok {
            return Ok(bytes.to_vec());
        }
        let told: super::wire::Envelope =
            serde_json::from_slice(&bytes).map_err(|e| self.transport.protocol(&about, &e.to_string()))?;
        Err(about.refused(told.error_code, &told.error))
    }

    /// The names in a folder.
    pub(super) async fn list_folder(&self, name: &str, folder: &str) -> Result<Vec<String>> {
        let bytes = self.read_file(name, folder).await?;
        let about = about(&format!("list {folder} in"), name);
        let told: super::wire::Envelope =
            serde_json::from_slice(&bytes).map_err(|e| self.transport.protocol(&about, &e.to_string()))?;
        let raw = told.metadata.as_deref().map_or("null", |m| m.get());
        Ok(serde_json::from_str::<Option<Vec<String>>>(raw)
            .ok()
            .flatten()
            .unwrap_or_default())
    }
}
