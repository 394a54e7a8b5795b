#include "sha256.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "text.hpp"

namespace bundle::detail {

namespace {

// Opening libcrypto takes about as long as this code needs for half of these bytes.
constexpr std::uint64_t worth_opening = 1 << 20;

constexpr std::array<std::uint32_t, 8> initial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

constexpr std::array<std::uint32_t, 64> constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t rotate(std::uint32_t value, unsigned count) { return value >> count | value << (32 - count); }

/// The functions of libcrypto that are used, by their documented signatures.
struct Crypto {
  void* (*make)() = nullptr;
  void (*free)(void*) = nullptr;
  const void* (*sha256)() = nullptr;
  int (*init)(void*, const void*, void*) = nullptr;
  int (*update)(void*, const void*, std::size_t) = nullptr;
  int (*final)(void*, unsigned char*, unsigned*) = nullptr;
};

template <class Function>
bool resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// Returns libcrypto's functions, or null where the system has none that is whole.
const Crypto* open_crypto() {
  static Crypto crypto;
  for (const char* name : {"libcrypto.so.3", "libcrypto.so.1.1"}) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr && resolve(library, "EVP_MD_CTX_new", crypto.make) &&
        resolve(library, "EVP_MD_CTX_free", crypto.free) && resolve(library, "EVP_sha256", crypto.sha256) &&
        resolve(library, "EVP_DigestInit_ex", crypto.init) &&
        resolve(library, "EVP_DigestUpdate", crypto.update) &&
        resolve(library, "EVP_DigestFinal_ex", crypto.final)) {
      return &crypto;
    }
  }
  return nullptr;
}

const Crypto* crypto_functions() {
  static const Crypto* functions = open_crypto();
  return functions;
}

}  // namespace

Sha256::Sha256(std::uint64_t expected) : state_(initial) {
  const Crypto* crypto = expected >= worth_opening ? crypto_functions() : nullptr;
  if (crypto == nullptr) {
    return;
  }
  context_ = crypto->make();
  if (context_ != nullptr && crypto->init(context_, crypto->sha256(), nullptr) != 1) {
    // A build without this hash (a policy may forbid algorithms): do the work here.
    crypto->free(context_);
    context_ = nullptr;
  }
}

Sha256::~Sha256() {
  if (context_ != nullptr) {
    crypto_functions()->free(context_);
  }
}

void Sha256::update(std::string_view bytes) {
  if (context_ != nullptr) {
    crypto_functions()->update(context_, bytes.data(), bytes.size());
    return;
  }
  total_ += bytes.size();
  while (!bytes.empty()) {
    if (rest_size_ == 0 && bytes.size() >= rest_.size()) {
      block(reinterpret_cast<const unsigned char*>(bytes.data()));
      bytes.remove_prefix(rest_.size());
      continue;
    }
    const std::size_t count = std::min(rest_.size() - rest_size_, bytes.size());
    std::memcpy(rest_.data() + rest_size_, bytes.data(), count);
    bytes.remove_prefix(count);
    rest_size_ += count;
    if (rest_size_ == rest_.size()) {
      block(rest_.data());
      rest_size_ = 0;
    }
  }
}

std::string Sha256::hex() {
  if (context_ == nullptr) {
    return to_hex(plain_digest());
  }
  std::array<unsigned char, 64> digest{};
  unsigned size = 0;
  crypto_functions()->final(context_, digest.data(), &size);
  return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

std::string Sha256::plain_digest() {
  const std::uint64_t bits = total_ * 8;
  const std::size_t zeros = (rest_size_ < 56 ? 55 : 119) - rest_size_;
  std::string tail("\x80");
  tail.append(zeros, '\0');
  for (unsigned shift = 64; shift > 0;) {
    shift -= 8;
    tail += static_cast<char>(bits >> shift & 0xFF);
  }
  update(tail);
  std::string digest;
  for (const std::uint32_t word : state_) {
    for (unsigned shift = 32; shift > 0;) {
      shift -= 8;
      digest += static_cast<char>(word >> shift & 0xFF);
    }
  }
  return digest;
}

void Sha256::block(const unsigned char* data) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned char* four = data + 4 * i;
    w[i] =
        std::uint32_t{four[0]} << 24 | std::uint32_t{four[1]} << 16 | std::uint32_t{four[2]} << 8 | four[3];
  }
  for (std::size_t i = 16; i < w.size(); ++i) {
    const std::uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const std::uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const std::uint32_t one = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const std::uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const std::uint32_t two = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + one;
    d = c;
    c = b;
    b = a;
    a = one + two;
  }
  const std::array<std::uint32_t, 8> sums = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state_.size(); ++i) {
    state_[i] += sums[i];
  }
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash(bytes.size());
  hash.update(bytes);
  return hash.hex();
}

}  // namespace bundle::detail
