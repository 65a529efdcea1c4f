# find_package(lstm): the target lstm::lstm, lstm-core for C.

get_filename_component(_lstm_root "${CMAKE_CURRENT_LIST_FILE}" DIRECTORY)
if(NOT LSTM_TARGET AND NOT CMAKE_CROSSCOMPILING)
  file(READ "${_lstm_root}/desk.txt" LSTM_TARGET)
endif()
find_file(_lstm_library NAMES liblstm.a lstm.lib PATHS "${_lstm_root}/lib/${LSTM_TARGET}"
          NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
if(NOT LSTM_TARGET OR NOT _lstm_library)
  file(GLOB _lstm_targets RELATIVE "${_lstm_root}/lib" "${_lstm_root}/lib/*")
  string(REPLACE ";" ", " _lstm_targets "${_lstm_targets}")
  set(lstm_FOUND FALSE)
  set(lstm_NOT_FOUND_MESSAGE "found LSTM_TARGET=\"${LSTM_TARGET}\", expected one of: ${_lstm_targets}")
  return()
endif()
if(NOT TARGET lstm::lstm)
  add_library(lstm::lstm STATIC IMPORTED)
  set_target_properties(lstm::lstm PROPERTIES
    IMPORTED_LOCATION "${_lstm_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${_lstm_root}/include")
endif()
