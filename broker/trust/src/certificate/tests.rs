//! What is read from certificates, real and broken.
