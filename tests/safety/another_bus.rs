//! On a bus that tickgate did not start: TLS, subjects, rates.
