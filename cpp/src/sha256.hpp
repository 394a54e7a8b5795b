// SHA-256 (FIPS 180-4).
//
// A device that only predicts should need no OpenSSL to build against, so the hash is written here; where the
// system has libcrypto, large files go through it, because it uses the CPU's own instructions (six times
// faster). It is opened at run time and never required.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bundle::detail {

/// Hashes bytes that come in pieces.
class Sha256 {
 public:
  /// `expected` is how many bytes will come, roughly: it decides whether libcrypto is worth opening.
  explicit Sha256(std::uint64_t expected = 0);
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  /// Returns 64 lower-case hex digits. Call once, at the end.
  std::string hex();

 private:
  void block(const unsigned char* data);
  std::string plain_digest();

  std::array<std::uint32_t, 8> state_;
  std::array<unsigned char, 64> rest_{};
  std::size_t rest_size_ = 0;
  std::uint64_t total_ = 0;
  /// The context of libcrypto; null where this class does the work.
  void* context_ = nullptr;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace bundle::detail
