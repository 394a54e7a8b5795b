# Configures, builds and runs the consumer against an installed package or this source tree.
set(work "${BUILD}/consumer/${WAY}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(WAY STREQUAL find_package)
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${work}/installed")
  set(arguments "-DCMAKE_PREFIX_PATH=${work}/installed")
else()
  set(arguments "-DEDGEBUNDLE_SOURCE=${SOURCE}" "-DORT_INCLUDE_DIR=${ORT_INCLUDE_DIR}")
endif()
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${work}/build" -G "${GENERATOR}"
    -DCMAKE_BUILD_TYPE=Debug ${arguments}
)
run("${CMAKE_COMMAND}" --build "${work}/build" --target consumer)
run("${work}/build/consumer")
