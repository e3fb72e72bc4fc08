//! CMS, against the shared vectors, against OpenSSL's command line, and against attackers.
