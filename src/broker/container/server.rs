//! A container as a server that tickgate started.

use super::super::BrokerError;
use super::super::server::{Node, Server, only};
use super::Container;
use crate::host::resources::Meter;

impl Server for Container {
    fn nodes(&self) -> Vec<Node> {
        vec![Node {
            name: self.config.image.contents.node.into(),
            address: format!("127.0.0.1:{}", self.ports.client),
            pid: None,
            container: Some(self.name.clone()),
        }]
    }

    fn url(&self) -> String {
        self.url()
    }

    fn alive(&mut self) -> Result<(), BrokerError> {
        (*self).alive()
    }

    fn pause(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.pause())
    }

    fn resume(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.resume())
    }

    fn kill(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.kill())
    }

    fn restart(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.restart())
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        self.stop()
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        self.meter().map(|meter| (self.config.image.contents.node.into(), meter)).into_iter().collect()
    }

    fn warnings(&self) -> &[String] {
        self.warnings()
    }

    fn facts(&self) -> &[(String, String)] {
        self.facts()
    }

    fn version(&self) -> Option<String> {
        self.version()
    }
}
