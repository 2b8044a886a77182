//! What a process waits for before it can serve.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Named components of a process, each ready or waiting with a reason. Clones share the same state.
///
/// `/readyz` answers 200 when all are ready, and 503 with the list otherwise.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    components: Arc<Mutex<BTreeMap<&'static str, Component>>>,
}

#[derive(Clone, Debug)]
enum Component {
    Ready,
    Waiting(String),
}

impl Readiness {
    /// Every named component starts out waiting. Without names a process is ready at once.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let components = names.into_iter().map(|name| (name, Component::Waiting("starting".into())));
        Self { components: Arc::new(Mutex::new(components.collect())) }
    }

    /// `name` can serve.
    pub fn set_ready(&self, name: &'static str) {
        self.lock().insert(name, Component::Ready);
    }

    /// `name` cannot serve, because of `reason`.
    pub fn set_waiting(&self, name: &'static str, reason: impl Into<String>) {
        self.lock().insert(name, Component::Waiting(reason.into()));
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|component| matches!(component, Component::Ready))
    }

    /// `{"ready": bool, "components": {name: "ready" | reason}}`
    pub fn report(&self) -> serde_json::Value {
        let components: BTreeMap<_, _> = self
            .lock()
            .iter()
            .map(|(name, component)| match component {
                Component::Ready => (*name, "ready".to_owned()),
                Component::Waiting(reason) => (*name, reason.clone()),
            })
            .collect();
        serde_json::json!({ "ready": components.values().all(|text| text == "ready"), "components": components })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Component>> {
        // Each critical section is one map operation: a panic elsewhere cannot leave it half done.
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_component_is() {
        let readiness = Readiness::new(["database", "l1"]);
        assert!(!readiness.is_ready());
        readiness.set_ready("database");
        assert!(!readiness.is_ready());
        let shared = readiness.clone();
        shared.set_ready("l1");
        assert!(readiness.is_ready());
        readiness.set_waiting("l1", "cannot reach L1");
        assert_eq!(
            readiness.report(),
            serde_json::json!({"ready": false, "components": {"database": "ready", "l1": "cannot reach L1"}})
        );
    }

    #[test]
    fn ready_without_components() {
        assert!(Readiness::default().is_ready());
    }
}
