package predictor

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// What the loader says belongs to a thread, so it is asked in the same call.
static void *open_library(const char *name, int flags, char **fault) {
  void *handle = dlopen(name, flags);
  const char *said = handle == NULL ? dlerror() : NULL;
  *fault = said != NULL ? strdup(said) : NULL;
  return handle;
}

static const char *file_of(void *handle) {
  struct link_map *map = NULL;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != NULL ? map->l_name : NULL;
}

// Looked up, so that this also links where the C library is another one.
static const char *glibc_version(void) {
  const char *(*version)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
  return version != NULL ? version() : NULL;
}

struct runtime_base {
  const void *(*api)(uint32_t number);
  const char *(*version)(void);
};

static const struct runtime_base *runtime_of(void *handle, const char *entry) {
  const struct runtime_base *(*base)(void) = (const struct runtime_base *(*)(void))dlsym(handle, entry);
  return base != NULL ? base() : NULL;
}

static const char *version_of(const struct runtime_base *base) { return base->version(); }

static int offers(const struct runtime_base *base, uint32_t number) { return base->api(number) != NULL; }
*/
import "C"

import "unsafe"

// systemLibrary asks the system's loader for a library by its name: one that this process has, or any. It
// returns its file where the loader says it, and whether it was found.
func systemLibrary(name string, loaded bool) (file string, found bool) {
	flags := C.int(C.RTLD_LAZY)
	if loaded {
		flags |= C.RTLD_NOLOAD
	}
	handle, _ := openLibrary(name, flags)
	if handle == nil {
		return "", false
	}
	defer C.dlclose(handle)
	return C.GoString(C.file_of(handle)), true
}

// openLibrary returns a library, or what the loader says where it does not open it.
func openLibrary(name string, flags C.int) (handle unsafe.Pointer, fault string) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var said *C.char
	handle = C.open_library(text, flags, &said)
	defer C.free(unsafe.Pointer(said))
	return handle, C.GoString(said)
}

// systemGlibc returns the version of the C library of this process; "" where that is not glibc.
func systemGlibc() string { return C.GoString(C.glibc_version()) }

// openedRuntime is an ONNX Runtime that this process has loaded, before any of its functions but the two that
// say what it is were called.
type openedRuntime struct {
	handle  unsafe.Pointer
	base    *C.struct_runtime_base
	version string
}

// openRuntime loads a library; fault is what the loader says where it does not.
func openRuntime(path string) (r *openedRuntime, fault string) {
	handle, fault := openLibrary(path, C.RTLD_LAZY)
	if handle == nil {
		return nil, fault
	}
	entry := C.CString(apiEntry())
	defer C.free(unsafe.Pointer(entry))
	r = &openedRuntime{handle: handle, base: C.runtime_of(handle, entry)}
	if r.base != nil {
		r.version = C.GoString(C.version_of(r.base))
	}
	return r, ""
}

// file returns the library's file with links resolved; "" where that is not known.
func (r *openedRuntime) file() string {
	path, err := resolveLinks(C.GoString(C.file_of(r.handle)))
	if err != nil {
		return ""
	}
	return path
}

// offers tells whether the library has an API of that number.
func (r *openedRuntime) offers(number int64) bool { return C.offers(r.base, C.uint32_t(number)) != 0 }

// close gives up this use of the library; it stays where another one is left.
func (r *openedRuntime) close() { C.dlclose(r.handle) }
