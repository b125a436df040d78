//! What stages keep from run to run of one process: a browser that is warm, a model that is loaded.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

/// Something that serves the stages of many runs.
#[async_trait]
pub trait Resident: Any + Send + Sync {
    /// Ends it: called once, when no run will come any more.
    async fn close(&self);
}

type Kept = Arc<Mutex<BTreeMap<String, Arc<dyn Resident>>>>;

/// The residents of a process. Without a place to keep them each stage has its own, and ends it.
#[derive(Clone, Default)]
pub struct Residents(Option<Kept>);

impl Residents {
    /// A place to keep them.
    #[must_use]
    pub fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// The resident of this name, made if there is none, and whether it is kept: one that is not is
    /// for its stage to close.
    ///
    /// # Errors
    /// What making it gives.
    pub fn get<T: Resident, E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Arc<T>, bool), E> {
        let Some(kept) = &self.0 else {
            return Ok((Arc::new(make()?), false));
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resident) = kept.get(name) {
            let any: Arc<dyn Any + Send + Sync> = resident.clone();
            if let Ok(resident) = any.downcast() {
                return Ok((resident, true));
            }
        }
        let made = Arc::new(make()?);
        kept.insert(name.to_owned(), made.clone());
        Ok((made, true))
    }

    /// Ends all that are kept.
    pub async fn close(&self) {
        let all = self.0.as_ref().map(|kept| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *kept)
        });
        for resident in all.into_iter().flat_map(BTreeMap::into_values) {
            resident.close().await;
        }
    }
}

impl fmt::Debug for Residents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Residents")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicU32);

    #[async_trait]
    impl Resident for Counted {
        async fn close(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_resident_is_made_once_and_closed_at_the_end() {
        let make = || Ok::<_, ()>(Counted::default());
        let residents = Residents::kept();
        let (one, kept) = residents.get("one", make).unwrap();
        let (same, _) = residents.clone().get("one", make).unwrap();
        assert!(kept && Arc::ptr_eq(&one, &same));
        residents.close().await;
        assert_eq!(one.0.load(Ordering::Relaxed), 1);
        assert!(!Residents::default().get("one", make).unwrap().1);
        assert!(
            residents
                .get("one", || Err::<Counted, _>("broken"))
                .is_err()
        );
    }
}
