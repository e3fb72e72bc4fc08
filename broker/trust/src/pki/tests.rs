//! What the fictitious PKI makes, held against the command line tool.
