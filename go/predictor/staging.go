package predictor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"
)

// exchangeCalls are the numbers of renameat2, which is younger than the frozen package syscall.
var exchangeCalls = map[string]uintptr{"amd64": 316, "arm64": 276}

// exchange lets two names change places in one step, where the system can.
func exchange(one, other string) error {
	const exchangeNames = 2
	here := -100 // AT_FDCWD
	number, known := exchangeCalls[runtime.GOARCH]
	if !known {
		return syscall.ENOSYS
	}
	first, err := syscall.BytePtrFromString(one)
	if err != nil {
		return err
	}
	second, err := syscall.BytePtrFromString(other)
	if err != nil {
		return err
	}
	_, _, fault := syscall.Syscall6(number, uintptr(here), uintptr(unsafe.Pointer(first)), uintptr(here),
		uintptr(unsafe.Pointer(second)), exchangeNames, 0)
	if fault != 0 {
		return fault
	}
	return nil
}

// putInPlace gives a folder its name; what has that name is moved aside, into the folder that it comes from.
func putInPlace(folder, name string) error {
	if _, err := os.Lstat(name); err == nil {
		if exchange(folder, name) == nil {
			return nil
		}
		return replace(folder, name)
	}
	return os.Rename(folder, name)
}

// replace stands in for the exchange. What had the name gets it back where the folder cannot have it: work in
// progress is deleted after an error.
func replace(folder, name string) error {
	aside := filepath.Join(filepath.Dir(folder), "replaced")
	if err := os.Rename(name, aside); err != nil {
		return err
	}
	if err := os.Rename(folder, name); err != nil {
		return errors.Join(err, os.Rename(aside, name))
	}
	return nil
}

// settle opens a written tree's folders to every user, and syncs the names in each of them to the disk.
func settle(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		// The umask of a service may hide the folder from those who are to open it.
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
		return syncFolder(path)
	})
}

// syncFolder syncs the names in a folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// lockFolder opens a folder and waits for its lock, which other processes, and other calls in this one, are
// excluded by until the file is closed.
func lockFolder(path string) (*os.File, error) {
	folder, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			_ = folder.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
	}
}
