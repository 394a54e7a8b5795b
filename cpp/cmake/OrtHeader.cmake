# Sets OUT to the folder of onnxruntime_c_api.h: -DORT_INCLUDE_DIR, an installed one, else the one that the
# Go module of this repository carries, whose version go.mod pins.
function(edgebundle_ort_header OUT)
  if(NOT ORT_INCLUDE_DIR)
    find_path(ORT_INCLUDE_DIR onnxruntime_c_api.h PATH_SUFFIXES onnxruntime onnxruntime/core/session)
  endif()
  if(NOT ORT_INCLUDE_DIR)
    _edgebundle_header_of_go_module(folder)
    set(ORT_INCLUDE_DIR "${folder}" CACHE PATH "Folder of onnxruntime_c_api.h" FORCE)
  endif()
  if(NOT EXISTS "${ORT_INCLUDE_DIR}/onnxruntime_c_api.h")
    message(FATAL_ERROR "onnxruntime_c_api.h was not found: pass -DORT_INCLUDE_DIR=FOLDER, or install Go")
  endif()
  message(STATUS "onnxruntime_c_api.h: ${ORT_INCLUDE_DIR}")
  set(${OUT} "${ORT_INCLUDE_DIR}" PARENT_SCOPE)
endfunction()

function(_edgebundle_header_of_go_module OUT)
  set(module "github.com/yalue/onnxruntime_go")
  file(STRINGS "${PROJECT_SOURCE_DIR}/go.mod" lines REGEX "${module} v")
  string(REGEX MATCH "v[0-9]+\\.[0-9]+\\.[0-9]+" version "${lines}")
  find_program(GO_EXECUTABLE go)
  if(GO_EXECUTABLE)
    # In a folder of its own: inside the repository `go` would want the whole module graph.
    execute_process(
      COMMAND "${GO_EXECUTABLE}" mod download -json "${module}@${version}"
      WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
      OUTPUT_VARIABLE answer
      RESULT_VARIABLE code
    )
    if(code EQUAL 0)
      string(JSON folder GET "${answer}" Dir)
    endif()
  endif()
  set(${OUT} "${folder}" PARENT_SCOPE)
endfunction()
