//! How the image's containers start, as a document for whoever starts it without a container engine.

use crate::error::{Error, Result};
use crate::manifest::Start;
use crate::oci::RuntimeConfig;

/// Where the document is looked for in a filesystem unless told otherwise.
pub const START_PATH: &str = "etc/image.json";

/// The `config` object of an image configuration (OCI image-spec, config.md), those of its keys that
/// say something, by the bytes of their names, without white space, and a line's end.
///
/// # Errors
/// [`Error::Mismatch`]: any configuration that was read can be written.
pub fn start_document(config: &RuntimeConfig) -> Result<Vec<u8>> {
    let failed =
        |error: serde_json::Error| Error::Mismatch(format!("start configuration: {error}"));
    // A value's objects are sorted by key.
    let value = serde_json::to_value(Start::from(config)).map_err(failed)?;
    let mut document = serde_json::to_vec(&value).map_err(failed)?;
    document.push(b'\n');
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_keys_of_the_specification_in_their_order_and_is_read_as_a_configuration()
    {
        let text = r#"{"WorkingDir":"/app","User":"web","Env":["B=2","A=1"],"Cmd":["-x"],
            "Entrypoint":["/bin/sh","-c"],"StopSignal":"SIGINT","ExposedPorts":{"9/udp":{},"80/tcp":{}},
            "Volumes":{"/data":{}},"Labels":{"b":"2","a":null},"OnBuild":null,"ArgsEscaped":true}"#;
        let config: RuntimeConfig = serde_json::from_str(text).unwrap();
        let document = start_document(&config).unwrap();
        let expected = concat!(
            r#"{"Cmd":["-x"],"Entrypoint":["/bin/sh","-c"],"Env":["B=2","A=1"],"#,
            r#""ExposedPorts":{"80/tcp":{},"9/udp":{}},"Labels":{"a":"","b":"2"},"#,
            r#""StopSignal":"SIGINT","User":"web","Volumes":{"/data":{}},"WorkingDir":"/app"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(document.clone()).unwrap(), expected);
        let again: RuntimeConfig = serde_json::from_slice(&document).unwrap();
        assert_eq!(start_document(&again).unwrap(), document);
        let nothing = start_document(&RuntimeConfig::default()).unwrap();
        assert_eq!(nothing, b"{}\n");
    }
}
