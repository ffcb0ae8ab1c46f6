#include "storage/sqlite/traits.h"

#include <gtest/gtest.h>

#include <random>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite::traits_test {
namespace {

int sign(int value) {
  return value < 0 ? -1 : value > 0 ? 1 : 0;
}

TEST(AppVersion, IsComparedNumberByNumber) {
  struct {
    const char* a;
    const char* b;
    int order;
  } const rows[] = {
      {"3.10", "3.9", 1},      {"3.2.0", "3.2", 0},
      {"3.2", "3.2.1", -1},    {"03.2", "3.02", 0},
      {"3.2-beta", "3.2", -1}, {"3.2-alpha", "3.2-beta", -1},
      {"3.2-beta", "3.1", 1},  {"4", "18446744073709551616", -1},
      {"x", "1", -1},          {"", "0", 0},
      {"1.0.0.0.7", "1", 1},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(sign(compare_versions(row.a, row.b)), row.order) << row.a << " " << row.b;
    EXPECT_EQ(sign(compare_versions(row.b, row.a)), -row.order) << row.b << " " << row.a;
  }
}

std::string encoded(const AttributeView& attribute) {
  const EncodedAttribute one = encode_attribute(3, attribute);
  return encode_traits(7, "1.2", std::span(&one, 1));
}

TEST(Traits, ComeBackAsTheyWereWritten) {
  const std::string_view texts[] = {"x", "", "y"};
  const std::vector<std::pair<AttributeView, AttributeValue>> rows = {
      {{.name = "n", .value = true}, true},
      {{.name = "n", .value = false}, false},
      {{.name = "n", .value = 18.0}, 18.0},
      {{.name = "n", .value = -18.0}, -18.0},
      {{.name = "n", .value = 0.1}, 0.1},
      {{.name = "n", .value = -0.0}, -0.0},
      {{.name = "n", .value = 9007199254740992.0}, 9007199254740992.0},
      {{.name = "n", .value = -1e300}, -1e300},
      {{.name = "n", .value = std::string_view("pro")}, std::string("pro")},
      {{.name = "n", .value = std::span<const std::string_view>(texts)},
       std::vector<std::string>{"x", "", "y"}},
  };
  for (const auto& [view, value] : rows) {
    const Traits traits = decode_traits(encoded(view));
    EXPECT_EQ(traits.app, 7u);
    EXPECT_EQ(traits.app_version, "1.2");
    ASSERT_EQ(traits.attributes.size(), 1u);
    EXPECT_EQ(traits.attributes[0].first, 3u);
    EXPECT_EQ(traits.attributes[0].second, value);
  }
  // app, length and three bytes of the version, head, one byte of a small number.
  EXPECT_EQ(encoded({.name = "n", .value = 18.0}).size(), 7u);
}

TEST(Traits, AreReadWithoutHarmWhateverTheyHold) {
  constexpr std::uint32_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  const std::string_view texts[] = {"x", "yy"};
  const EncodedAttribute all[] = {
      encode_attribute(1, {.name = "a", .value = 3.5}),
      encode_attribute(2, {.name = "b", .value = std::string_view("pro")}),
      encode_attribute(9, {.name = "c", .value = std::span<const std::string_view>(texts)})};
  const std::string whole = encode_traits(1, "3.2", all);
  const Condition leaf{.kind = Condition::Kind::kCompare,
                       .field = Condition::Field::kAttribute,
                       .attribute = "c",
                       .compare = Condition::Compare::kContains,
                       .value = "yy"};
  EXPECT_TRUE(traits_satisfy(whole, 1, leaf, 9));
  EXPECT_FALSE(traits_satisfy(whole, 2, leaf, 9)) << "another app's";
  std::size_t refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string damaged = whole.substr(0, random() % (whole.size() + 1));
    for (std::size_t flips = random() % 4; flips > 0 && !damaged.empty(); --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    try {
      decode_traits(damaged);
      traits_satisfy(damaged, 1, leaf, 9);
    } catch (const StoreFailure& failure) {
      EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1'000u);
}

}  // namespace
}  // namespace carillon::store::sqlite::traits_test
