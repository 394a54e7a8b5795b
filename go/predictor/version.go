package predictor

// Version is that of this package; a test compares it with the one place where it is decided.
const Version = "0.1.0"
