// A sound shared library that has nothing to do with ONNX Runtime.
extern "C" int nothing() { return 0; }
