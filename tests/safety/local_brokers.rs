//! Brokers of our own: who may reach them, and which programs are started.
