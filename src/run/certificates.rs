//! The certificate authorities that someone added to this machine (a company's proxy, a local mirror), given to
//! a lab so that HTTPS works inside as it does here. Only added ones: the image keeps its own list.

use std::{collections::BTreeSet, path::Path};

use crate::{
    backend::{Backend, Error, ExecSpec, Progress},
    host::certificates::added,
};

use super::{output::Output, perform::Failure};

/// Registers the authorities with whatever tool the distribution inside has.
const REGISTER: &str = r#"
if command -v update-ca-certificates >/dev/null; then
  mkdir -p /usr/local/share/ca-certificates
  cp /root/.halolab-ca-*.crt /usr/local/share/ca-certificates/
  update-ca-certificates
elif command -v update-ca-trust >/dev/null; then
  for d in /etc/ca-certificates/trust-source/anchors /etc/pki/ca-trust/source/anchors; do
    if [ -d "$d" ]; then cp /root/.halolab-ca-*.crt "$d"/; fi
  done
  update-ca-trust
elif [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  cat /root/.halolab-ca-*.crt >> /etc/ssl/certs/ca-certificates.crt
else
  mkdir -p /etc/ssl/certs
  cat /root/.halolab-ca-*.crt > /etc/ssl/certs/ca-certificates.crt
fi
rm -f /root/.halolab-ca-*.crt
"#;

/// Gives an instance the added authorities; true where there are none.
pub(super) async fn push(
    backend: &dyn Backend,
    name: &str,
    output: &mut Output,
    progress: &Progress,
) -> Result<bool, Failure> {
    let added: BTreeSet<String> = added(Path::new("/")).into_iter().collect();
    if added.is_empty() {
        return Ok(true);
    }
    for (index, pem) in added.iter().enumerate() {
        let path = format!("/root/.halolab-ca-{index}.crt");
        backend.push(name, &path, pem.as_bytes(), 0o644, (0, 0)).await?;
    }
    let argv = ["/bin/sh", "-eu", "-c", REGISTER].map(str::to_owned).to_vec();
    let spec = ExecSpec {
        argv,
        ..ExecSpec::default()
    };
    let code = backend
        .exec(name, &spec, &mut |_, bytes| output.write(bytes), progress)
        .await?;
    if code != 0 {
        let what = format!("register certificate authorities in {name}");
        return Err(Error::Refused {
            what,
            message: output.last_line(),
        }
        .into());
    }
    Ok(false)
}
