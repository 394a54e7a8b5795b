# Sets OUT to a generated source that holds the tables of FOLDER, so that no second copy of one is committed.
function(edgebundle_spec_tables FOLDER OUT)
  set(body "")
  foreach(name bundle.schema errors library session store targets tolerances)
    set(path "${FOLDER}/${name}.json")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
    file(READ "${path}" content)
    string(APPEND body "    {\"${name}\", R\"__json__(${content})__json__\"},\n")
  endforeach()
  set(source "${CMAKE_CURRENT_BINARY_DIR}/spec_tables.cpp")
  string(
    CONCAT text
           "#include \"spec.hpp\"\n\nnamespace bundle::detail {\n\n"
           "const std::vector<std::pair<std::string_view, std::string_view>>& spec_sources() {\n"
           "  static const std::vector<std::pair<std::string_view, std::string_view>> sources = {\n"
           "${body}  };\n  return sources;\n}\n\n}  // namespace bundle::detail\n"
  )
  file(GENERATE OUTPUT "${source}" CONTENT "${text}")
  set(${OUT} "${source}" PARENT_SCOPE)
endfunction()
