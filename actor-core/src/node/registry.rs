//! Which dialogs this node serves, under which names.

use std::{collections::BTreeMap, sync::Arc};

use crate::dialog::{Dialog, Service};

/// The served dialogs by service name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    services: BTreeMap<&'static str, Arc<Service>>,
}

impl Registry {
    /// False if the name is taken.
    pub(crate) fn add<D: Dialog>(&mut self) -> bool {
        let service = Service::of::<D>();
        self.services
            .insert(service.name(), Arc::new(service))
            .is_none()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.services.keys().copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }
}
