#include "vectors.hpp"

#include <gtest/gtest.h>

namespace bundle::test {

TEST(Vectors, EveryCaseIsAnsweredAsItSays) {
  const auto folders = cases();
  ASSERT_FALSE(folders.empty());
  driver::Driver driver;
  for (const auto& folder : folders) {
    EXPECT_EQ(play(driver, folder), "") << folder;
  }
}

TEST(Vectors, NoPrefixOrChangedByteOfAManifestCrashes) {
  const std::string good = read_file(bundle_of("several_tensors") + "/bundle.json");
  ASSERT_EQ(Manifest::parse(good).bytes(), good);
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_THROW(Manifest::parse(good.substr(0, i)), Error);
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    try {
      Manifest::parse(changed);
    } catch (const Error& error) {
      EXPECT_FALSE(error.code().empty());
    }
  }
}

TEST(Driver, LinesThatAreNoRequestsAreAnswered) {
  driver::Driver driver;
  for (const char* line :
       {"", "[]", "{", "{}", R"({"op":1})", R"({"op":"fly"})", R"({"op":"open","handle":"h"})",
        R"({"op":"parse","manifest":"0"})", R"({"op":"predict","handle":"nobody","inputs":{}})"}) {
    EXPECT_NE(driver.answer(line).find("usage_invalid"), std::string::npos) << line;
  }
  EXPECT_NE(driver.answer(R"({"op":"fly","id":[1.50,"\ud800"]})").find(R"("id":[1.50,"\ud800"])"),
            std::string::npos);
}

TEST(Driver, EveryCodeIsOneOfTheTable) {
  const auto reply = driver::describe();
  EXPECT_EQ(*reply.find("language")->text(), "cpp");
  EXPECT_GT(reply.list("codes").size(), 50U);
}

}  // namespace bundle::test
