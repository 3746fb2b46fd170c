"""The station on one machine: encoder, object store, gateway, supervision."""
