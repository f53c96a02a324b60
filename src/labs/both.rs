//! The world of two engines: LXD's part, and Docker's in it. Names of labs are unique over both.

use crate::{
    backend::{Engine, Instance},
    stage::BackendKind,
};

use super::{Presence, World, presence};

impl From<BackendKind> for Engine {
    /// The engine of a stage's labs; of the host's stage, which makes none, LXD.
    fn from(kind: BackendKind) -> Self {
        match kind {
            BackendKind::Docker => Self::Docker,
            BackendKind::Lxd | BackendKind::Host => Self::Lxd,
        }
    }
}

impl World {
    /// An instance of this engine alone.
    pub fn own(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|i| i.name == name)
    }

    /// The part of the world that has an instance: where both have one of that name, the part where it is ours; this one
    /// where none has.
    pub fn part_with(&self, name: &str) -> &Self {
        let Some(docker) = self.docker.as_deref() else {
            return self;
        };
        let foreign = |i: &Instance| presence(i) == Presence::Foreign;
        match (self.own(name), docker.own(name)) {
            (None, Some(_)) => docker,
            (Some(here), Some(there)) if foreign(here) && !foreign(there) => docker,
            _ => self,
        }
    }

    /// The part of an engine; why it is not here in words otherwise.
    ///
    /// # Errors
    /// Its engine is not there, or does not answer.
    pub fn of(&self, engine: Engine) -> Result<&Self, String> {
        if engine == self.engine {
            return if self.away.is_empty() {
                Ok(self)
            } else {
                Err(self.away.clone())
            };
        }
        match &self.docker {
            Some(docker) if engine == Engine::Docker => Ok(docker),
            _ if !self.docker_away.is_empty() => Err(self.docker_away.clone()),
            _ => Err(format!(
                "{} was not looked at; look again with `halolab status`",
                engine.title()
            )),
        }
    }

    /// The instances of all engines.
    pub fn all_instances(&self) -> impl Iterator<Item = (Engine, &Instance)> {
        let own = self.instances.iter().map(|i| (self.engine, i));
        let docker = self.docker.as_deref();
        let there = docker.map_or(&[][..], |docker| docker.instances.as_slice());
        own.chain(there.iter().map(|i| (Engine::Docker, i)))
    }

    /// Why the engine of a lab's row is not there; none where it is, or for LXD, whose absence is a first run.
    pub fn lab_away(&self, engine: Engine) -> Option<&str> {
        let why = match engine {
            Engine::Docker => &self.docker_away,
            Engine::Lxd => &self.away,
        };
        (!why.is_empty()).then_some(why.as_str())
    }

    /// With what Docker holds, or why that is not known.
    #[must_use]
    pub fn with_docker(mut self, docker: Result<Self, String>) -> Self {
        match docker {
            Ok(docker) => {
                self.docker = Some(Box::new(Self {
                    engine: Engine::Docker,
                    docker: None,
                    ..docker
                }));
                self.docker_away.clear();
            }
            Err(why) => {
                self.docker = None;
                self.docker_away = why;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::tag;

    fn world(engine: Engine, names: &[(&str, bool)]) -> World {
        let instance = |(name, ours): &(&str, bool)| Instance {
            name: (*name).to_owned(),
            uuid: engine.title().to_owned(),
            config: if *ours {
                [(tag("stage"), "x".to_owned())].into()
            } else {
                [].into()
            },
            ..Instance::default()
        };
        World {
            engine,
            instances: names.iter().map(instance).collect(),
            ..World::default()
        }
    }

    #[test]
    fn an_instance_is_found_where_it_is_and_ours_before_one_that_is_not() {
        let lxd = world(Engine::Lxd, &[("a", true), ("b", false), ("c", true)]);
        let both = lxd.with_docker(Ok(world(
            Engine::Docker,
            &[("b", true), ("c", false), ("d", true)],
        )));
        let engine = |name: &str| both.instance(name).map(|i| i.uuid.clone()).unwrap_or_default();
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(engine),
            ["LXD", "Docker", "LXD", "Docker", ""]
        );
        assert_eq!(both.of(Engine::Docker).unwrap().instances.len(), 3);
        let away = World::default().with_docker(Err("no".into()));
        assert_eq!(away.of(Engine::Docker).unwrap_err(), "no");
        assert_eq!(both.labs(&crate::stage::Catalog::default()).len(), 4);
    }
}
