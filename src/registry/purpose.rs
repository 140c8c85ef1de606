//! What a registry is asked for, which is all that a token is asked for.

/// What is to be done in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push {
        /// Another repository of the same registry that blobs may be taken over from.
        mount_from: Option<String>,
    },
}

impl Purpose {
    /// The scopes of a token (distribution's "Token Scope Documentation").
    pub(super) fn scopes(&self, repository: &str) -> Vec<String> {
        match self {
            Self::Pull => vec![format!("repository:{repository}:pull")],
            Self::Push { mount_from } => {
                let mounted = mount_from
                    .iter()
                    .map(|mounted| format!("repository:{mounted}:pull"));
                let own = format!("repository:{repository}:pull,push");
                std::iter::once(own).chain(mounted).collect()
            }
        }
    }
}
