module example.com/edgebundle

go 1.26

require github.com/yalue/onnxruntime_go v1.35.0
