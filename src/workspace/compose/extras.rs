//! What can stand beside workspaces: a proxy with names, desktops in a browser, and monitoring.

use serde_json::{Map, Value, json};

use super::{Files, key, users};
use crate::{
    stage::Stage,
    workspace::{Service, Settings, yaml},
};

/// What is wanted beside the workspaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Traefik: `USER-code.DOMAIN` and the like.
    pub traefik: bool,
    /// Guacamole: desktops and shells in a browser, over VNC, RDP and SSH.
    pub guacamole: bool,
    /// cAdvisor, an exporter for GPUs, Dozzle, Prometheus, Grafana.
    pub monitoring: bool,
}

/// The services of a browser that ask for a password themselves.
const ROUTED: [Service; 4] = [
    Service::Code,
    Service::Jupyter,
    Service::Tensorboard,
    Service::Novnc,
];

pub(super) fn env(settings: &Settings, extras: Extras) -> Vec<String> {
    let mut lines = vec![];
    if extras.traefik {
        lines.push(format!("WORKSPACE_DOMAIN={}", domain(settings)));
        lines.push("# The address at which the proxy listens; 0.0.0.0 opens it to everybody who reaches this machine.".into());
        lines.push("PROXY_ADDRESS=127.0.0.1".into());
    }
    lines
}

fn domain(settings: &Settings) -> &str {
    match settings.domain.as_str() {
        "" => "localhost",
        domain => domain,
    }
}

/// The bridge on which Guacamole reaches its helper, which is in the network of the machine.
const DESKTOP: &str = "172.31.240.1";

pub(super) fn networks(extras: Extras) -> Map<String, Value> {
    let mut networks = Map::new();
    if extras.monitoring {
        networks.insert("monitoring".into(), json!({}));
    }
    if extras.guacamole {
        let ipam = json!({"config": [{"subnet": "172.31.240.0/29", "gateway": DESKTOP}]});
        networks.insert("desktop".into(), json!({"ipam": ipam}));
    }
    networks
}

pub(super) fn add(
    settings: &Settings,
    stages: &[Stage],
    extras: Extras,
    services: &mut Map<String, Value>,
    files: &mut Files,
) {
    if extras.traefik {
        traefik(settings, stages, services, files);
    }
    if extras.guacamole {
        guacamole(stages, services, files);
    }
    if extras.monitoring {
        monitoring(stages, services, files);
    }
}

/// Where a service of a stage is reached on this machine.
fn published(stage: &Stage, service: Service) -> Option<(&str, &str)> {
    let device = stage.profile.devices.get(&format!("port-{}", service.name()))?;
    key(device, "listen").strip_prefix("tcp:")?.rsplit_once(':')
}

/// In the network of the machine, it reaches what is published on 127.0.0.1, and needs no socket of the engine.
fn traefik(settings: &Settings, stages: &[Stage], services: &mut Map<String, Value>, files: &mut Files) {
    let (mut routers, mut targets) = (Map::new(), Map::new());
    for (user, stage) in users(stages) {
        for service in ROUTED {
            let Some((address, port)) = published(stage, service) else {
                continue;
            };
            let name = format!("{user}-{}", service.name());
            let rule = format!("Host(`{name}.{}`)", domain(settings));
            let router = json!({"rule": rule, "service": name, "entryPoints": ["websecure"], "tls": {}});
            routers.insert(name.clone(), router);
            let server = json!({"url": format!("http://{address}:{port}")});
            targets.insert(name, json!({"loadBalancer": {"servers": [server]}}));
        }
    }
    let rules = yaml::write(&json!({"http": {"routers": routers, "services": targets}}));
    files.insert("traefik/routes.yaml".into(), rules);
    let service = json!({
        "image": "traefik:v3.3", "network_mode": "host", "restart": "unless-stopped",
        "command": [
            "--providers.file.filename=/etc/traefik/routes.yaml",
            "--entryPoints.web.address=${PROXY_ADDRESS:-127.0.0.1}:80",
            "--entryPoints.web.http.redirections.entryPoint.to=websecure",
            "--entryPoints.web.http.redirections.entryPoint.scheme=https",
            "--entryPoints.websecure.address=${PROXY_ADDRESS:-127.0.0.1}:443",
        ],
        "volumes": ["./traefik/routes.yaml:/etc/traefik/routes.yaml:ro"],
    });
    services.insert("traefik".into(), service);
}

/// Guacamole speaks VNC, RDP and SSH; not `X2Go`. Who uses it is in `guacamole/user-mapping.xml`, which is not overwritten:
/// the passwords in it are set by hand.
fn guacamole(stages: &[Stage], services: &mut Map<String, Value>, files: &mut Files) {
    let mut lines = vec![
        "<!-- Set a password for each user before you start it; until then nobody gets in. Guacamole asks for those of the \
         workspaces. -->"
            .to_owned(),
        "<user-mapping>".to_owned(),
    ];
    for (user, stage) in users(stages) {
        lines.push(format!(
            "  <!-- <authorize username=\"{user}\" password=\"SET ME\"> -->"
        ));
        for (service, protocol) in [
            (Service::Vnc, "vnc"),
            (Service::Rdp, "rdp"),
            (Service::Ssh, "ssh"),
        ] {
            let Some((address, port)) = published(stage, service) else {
                continue;
            };
            // The workspace made its certificate itself, and nobody's authority knows it.
            let more = match service {
                Service::Rdp => "<param name=\"ignore-cert\">true</param>",
                _ => "",
            };
            lines.push(format!(
                "  <!--   <connection name=\"{user}-{protocol}\"><protocol>{protocol}</protocol><param \
                 name=\"hostname\">{address}</param><param name=\"port\">{port}</param>{more}</connection> -->"
            ));
        }
        lines.push("  <!-- </authorize> -->".to_owned());
    }
    lines.push("</user-mapping>".to_owned());
    files.insert("guacamole/user-mapping.xml".into(), lines.join("\n") + "\n");
    services.insert(
        "guacd".into(),
        json!({
            "image": "guacamole/guacd:1.5.5", "network_mode": "host", "restart": "unless-stopped",
            "command": ["/opt/guacamole/sbin/guacd", "-b", DESKTOP, "-L", "info", "-f"],
            // The bridge, and so its address, is made for it.
            "depends_on": ["guacamole"],
        }),
    );
    services.insert(
        "guacamole".into(),
        json!({
            "image": "guacamole/guacamole:1.5.5", "networks": ["desktop"], "restart": "unless-stopped",
            "ports": ["127.0.0.1:9481:8080"],
            "environment": {"GUACD_HOSTNAME": DESKTOP, "GUACD_PORT": "4822", "GUACAMOLE_HOME": "/etc/guacamole"},
            "volumes": ["./guacamole:/etc/guacamole:ro"],
        }),
    );
}

fn monitoring(stages: &[Stage], services: &mut Map<String, Value>, files: &mut Files) {
    let gpus = stages
        .iter()
        .any(|stage| stage.profile.devices.values().any(|d| key(d, "type") == "gpu"));
    let mut targets =
        vec![json!({"job_name": "containers", "static_configs": [{"targets": ["cadvisor:8080"]}]})];
    services.insert(
        "cadvisor".into(),
        json!({
            "image": "gcr.io/cadvisor/cadvisor:v0.49.1", "restart": "unless-stopped", "networks": ["monitoring"],
            "volumes": ["/:/rootfs:ro", "/var/run:/var/run:ro", "/sys:/sys:ro", "/var/lib/docker/:/var/lib/docker:ro"],
        }),
    );
    if gpus {
        targets.push(json!({"job_name": "gpus", "static_configs": [{"targets": ["gpu-exporter:9400"]}]}));
        let request = json!({"driver": "nvidia", "count": "all", "capabilities": ["gpu"]});
        services.insert(
            "gpu-exporter".into(),
            json!({
                "image": "nvcr.io/nvidia/k8s/dcgm-exporter:3.3.9-3.6.1-ubuntu22.04", "restart": "unless-stopped",
                "networks": ["monitoring"], "cap_add": ["SYS_ADMIN"],
                "deploy": {"resources": {"reservations": {"devices": [request]}}},
            }),
        );
    }
    services.insert(
        "dozzle".into(),
        json!({
            "image": "amir20/dozzle:v8.11", "restart": "unless-stopped", "networks": ["monitoring"],
            "ports": ["127.0.0.1:9480:8080"], "volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"],
            "environment": {"DOZZLE_FILTER": "name=ws-"},
        }),
    );
    let config = json!({"global": {"scrape_interval": "15s"}, "scrape_configs": targets});
    files.insert("prometheus/prometheus.yml".into(), yaml::write(&config));
    services.insert(
        "prometheus".into(),
        json!({
            "image": "prom/prometheus:v3.1.0", "restart": "unless-stopped", "networks": ["monitoring"],
            "volumes": ["./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro"],
        }),
    );
    grafana(services, files);
}

/// Its first password is its own (`admin`), and it asks for another one at the first login.
fn grafana(services: &mut Map<String, Value>, files: &mut Files) {
    let source = json!({"apiVersion": 1, "datasources": [
        {"name": "Prometheus", "uid": "prometheus", "type": "prometheus", "url": "http://prometheus:9090", "isDefault": true},
    ]});
    files.insert(
        "grafana/provisioning/datasources/prometheus.yaml".into(),
        yaml::write(&source),
    );
    let provider = json!({"apiVersion": 1, "providers": [
        {"name": "halolab", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}},
    ]});
    files.insert(
        "grafana/provisioning/dashboards/halolab.yaml".into(),
        yaml::write(&provider),
    );
    files.insert(
        "grafana/dashboards/workspaces.json".into(),
        format!("{:#}\n", dashboard()),
    );
    services.insert(
        "grafana".into(),
        json!({
            "image": "grafana/grafana:11.4.0", "restart": "unless-stopped", "networks": ["monitoring"],
            "ports": ["127.0.0.1:9300:3000"],
            "volumes": [
                "./grafana/provisioning:/etc/grafana/provisioning:ro",
                "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                "grafana:/var/lib/grafana",
            ],
        }),
    );
}

/// What everybody takes, by container.
fn dashboard() -> Value {
    let panel = |(id, title, query, unit): (u32, &str, &str, &str)| {
        let at = id - 1;
        json!({
            "id": id, "title": title, "type": "timeseries", "gridPos": {"h": 8, "w": 12, "x": at % 2 * 12, "y": at / 2 * 8},
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [{"expr": query, "legendFormat": "{{name}}", "refId": "A"}],
        })
    };
    let panels = [
        (
            1,
            "Processors",
            "sum by (name) (rate(container_cpu_usage_seconds_total{name=~\"ws-.+\"}[2m]))",
            "short",
        ),
        (
            2,
            "Memory",
            "container_memory_working_set_bytes{name=~\"ws-.+\"}",
            "bytes",
        ),
        (
            3,
            "Network, received",
            "sum by (name) (rate(container_network_receive_bytes_total{name=~\"ws-.+\"}[2m]))",
            "Bps",
        ),
        (
            4,
            "Disk, written",
            "sum by (name) (rate(container_fs_writes_bytes_total{name=~\"ws-.+\"}[2m]))",
            "Bps",
        ),
        (5, "GPU use", "DCGM_FI_DEV_GPU_UTIL", "percent"),
        (6, "GPU memory", "DCGM_FI_DEV_FB_USED * 1048576", "bytes"),
    ];
    json!({
        "title": "Workspaces", "uid": "halolab-workspaces", "schemaVersion": 39, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "panels": panels.map(panel),
    })
}
