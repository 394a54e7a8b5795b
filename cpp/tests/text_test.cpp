// The small parts: hash, JSON, tensors, versions.
#include "text.hpp"

#include <gtest/gtest.h>

#include <array>

#include "bundle/error.hpp"
#include "bundle/tensor.hpp"
#include "json.hpp"
#include "sha256.hpp"

namespace bundle::detail {

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OwnCodeAndLibcryptoAgreeForPiecesOfAnySize) {
  std::string bytes;
  for (std::size_t i = 0; i < 70000; ++i) {
    bytes += static_cast<char>(i * 131 + i / 251);
  }
  for (const std::size_t piece : std::array<std::size_t, 8>{1, 55, 56, 63, 64, 65, 4096, 70000}) {
    Sha256 own;
    Sha256 large(std::uint64_t{1} << 30);
    for (std::size_t begin = 0; begin < bytes.size(); begin += piece) {
      own.update(std::string_view(bytes).substr(begin, piece));
      large.update(std::string_view(bytes).substr(begin, piece));
    }
    EXPECT_EQ(own.hex(), large.hex()) << piece;
  }
}

TEST(Json, ReadsAndWritesWhatItRead) {
  for (const char* text : {R"({"a":[1,-2,true,null,1.5e3],"b":"\u0000\ud800é"})", "[]", "{}", R"("x")",
                           "12345678901234567890"}) {
    EXPECT_EQ(dump(parse_json(text, 8, false).tree), text);
  }
  EXPECT_EQ(dump(parse_json(R"({"b":1,"a":2,"b":3})", 8, false).tree), R"({"a":2,"b":3})");
}

TEST(Json, TellsMalformedFromNotCanonical) {
  for (const char* text :
       {"", "01", "1.", "+1", "[1,]", R"({"a"})", R"("\x")", R"("\u12")", "nul", "[[[[[[[[[1]]]]]]]]]"}) {
    EXPECT_THROW(parse_json(text, 8, false), Malformed) << text;
  }
  for (const char* text :
       {" 1", "1.0", "-0", "9007199254740992", "null", R"("\/")", R"({"b":1,"a":1})", R"("\u0041")"}) {
    EXPECT_FALSE(parse_json(text, 8, true).deviation.empty()) << text;
  }
  for (const char* text :
       {"9007199254740991", "-9007199254740991", R"({"a":1,"b":"\u001f\n"})", "[0,true]"}) {
    EXPECT_TRUE(parse_json(text, 8, true).deviation.empty()) << text;
  }
}

TEST(Text, VersionsCompareByTheirFirstThreeNumbers) {
  EXPECT_LT(version_numbers("1.9.0"), version_numbers("1.10"));
  EXPECT_EQ(version_numbers("1.31.1+cpu.7"), version_numbers("1.31.1"));
  EXPECT_EQ(version_numbers(""), version_numbers("0.0.0"));
}

}  // namespace bundle::detail

namespace bundle {

TEST(Tensor, JudgesItsShape) {
  const std::int64_t large = std::int64_t{1} << 62;
  EXPECT_THROW(Tensor::zeros(DType::float32, {-1}), Error);
  EXPECT_THROW(Tensor::zeros(DType::float64, {large, 4}), Error);
  EXPECT_EQ(Tensor::zeros(DType::float64, {large, 4, 0}).count(), 0U);
  EXPECT_EQ(Tensor::zeros(DType::int16, {}).bytes(), 2U);
  EXPECT_THROW(Tensor::of_strings({2}, {"one"}), Error);
  EXPECT_THROW(Tensor::borrow(DType::float32, {1}, static_cast<void*>(nullptr)), Error);
}

TEST(Tensor, CopiesShareTheirElements) {
  Tensor tensor = Tensor::zeros(DType::float32, {2});
  const Tensor copy = tensor;
  tensor.as<float>()[1] = 3;
  EXPECT_EQ(copy.as<float>()[1], 3);
  const std::array<float, 1> row = {1};
  EXPECT_FALSE(Tensor::borrow(DType::float32, {1}, static_cast<const void*>(row.data())).writable());
}

}  // namespace bundle
