#include "relay/api/problem.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace carillon::api {
namespace {

TEST(Problem, HasOneRowEachWithATypeOfItsOwn) {
  std::set<std::string_view> slugs;
  for (const ProblemRow& row : problem_rows()) {
    EXPECT_TRUE(slugs.insert(row.slug).second) << row.slug;
    EXPECT_GE(row.status, 400) << row.slug;
    EXPECT_LT(row.status, 600) << row.slug;
    EXPECT_FALSE(row.title.empty()) << row.slug;
    EXPECT_EQ(row.slug.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string_view::npos);
    EXPECT_EQ(row.status == 503 || row.status == 429, row.retry_after_s > 0) << row.slug;
  }
}

TEST(Problem, BecomesADocumentThatNamesTheField) {
  const Reply reply = problem_reply(Problem::kInvalidBody, "", {{"/ttl", "must be an integer"}});
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.content_type, "application/problem+json");
  EXPECT_EQ(nlohmann::json::parse(reply.body),
            nlohmann::json::parse(R"({"type":"urn:carillon:problem:invalid-body",
              "title":"The body has fields that cannot be taken","status":400,
              "errors":[{"pointer":"/ttl","detail":"must be an integer"}]})"));
}

TEST(Problem, SaysWhenToTryAgain) {
  const Reply reply = problem_reply(Problem::kOverloaded, "x");
  ASSERT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].first, "Retry-After");
}

TEST(Problem, SurvivesAQuoteThatIsNotUtf8) {
  EXPECT_TRUE(nlohmann::json::accept(problem_reply(Problem::kInvalidBody, "\xff\xfe").body));
}

}  // namespace
}  // namespace carillon::api
