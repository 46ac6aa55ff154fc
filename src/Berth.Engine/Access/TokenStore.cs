using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Storage;
using Berth.Protocol;

namespace Berth.Engine.Access;

/// <summary>A token as lists show it: without what it is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">What it may do.</param>
/// <param name="CreatedAt">Since when.</param>
internal sealed record TokenListing(string Name, Role Role, DateTimeOffset CreatedAt);

/// <summary>A token that was just made: the only time that it is seen.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">What it may do.</param>
/// <param name="Token">What the caller sends.</param>
internal sealed record NewToken(string Name, Role Role, string Token);

/// <summary>The table of tokens. It holds hashes only.</summary>
/// <remarks>
/// A token is a public part, by which its row is found, and 256 random bits. One SHA-256 of so much chance cannot be
/// turned back, and needs none of the slowness that passwords do.
/// </remarks>
internal sealed class TokenStore(Database database, TimeProvider time)
{
    /// <summary>What every token begins with, so that scanners know one when they see it.</summary>
    public const string Prefix = "berth_";

    private const int LongestName = 64;
    private const int PublicBytes = 6;
    private const int SecretBytes = 32;

    /// <summary>Makes a token.</summary>
    /// <exception cref="FailureException"><c>token_name_invalid</c>, <c>token_exists</c>.</exception>
    public NewToken Create(string name, Role role)
    {
        if (name.Length is 0 or > LongestName
            || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '@'))
        {
            throw new FailureException(
                "token_name_invalid",
                "That cannot be a token's name: expected 1 to 64 letters, digits or . _ - @.",
                "Name who will use it, such as ci or ada@laptop.",
                Fault.User);
        }

        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(PublicBytes));
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));
        try
        {
            database.Execute(
                "insert into tokens (id, name, role, hash, created_at) values (@id, @name, @role, @hash, @at)",
                ("id", id),
                ("name", name),
                ("role", Word(role)),
                ("hash", Convert.ToHexStringLower(HashOf(secret))),
                ("at", Now()));
        }
        catch (DbException taken) when (database.IsDuplicate(taken))
        {
            throw new FailureException(
                "token_exists",
                $"There is a token of the name {name}, or was one.",
                "Choose another name: what tokens did is told apart by their names.",
                Fault.User);
        }

        return new NewToken(name, role, $"{Prefix}{id}_{secret}");
    }

    /// <summary>Makes an admin's token where there is none at all yet.</summary>
    /// <returns>It, or null where there was one, or another server that shares the table made it just now.</returns>
    public NewToken? CreateFirst(string name)
    {
        try
        {
            return List().Count == 0 ? Create(name, Role.Admin) : null;
        }
        catch (FailureException taken) when (taken.Failure.Code is "token_exists")
        {
            return null;
        }
    }

    /// <summary>Whose a token is, or null where it is nobody's.</summary>
    public Caller? Find(string token)
    {
        if (!token.StartsWith(Prefix, StringComparison.Ordinal)
            || token[Prefix.Length..].Split('_') is not
                [{ Length: 2 * PublicBytes } id, { Length: 2 * SecretBytes } secret])
        {
            return null;
        }

        var found = database.Query(
            "select name, role, hash from tokens where id = @id and revoked_at is null",
            row => (Caller: new Caller(row.GetString(0), RoleOf(row.GetString(1))), Hash: row.GetString(2)),
            ("id", id));
        return found is [var known]
            && CryptographicOperations.FixedTimeEquals(Convert.FromHexString(known.Hash), HashOf(secret))
            ? known.Caller
            : null;
    }

    /// <summary>All tokens that are good.</summary>
    public IReadOnlyList<TokenListing> List() => database.Query(
        "select name, role, created_at from tokens where revoked_at is null order by created_at",
        row => new TokenListing(
            row.GetString(0),
            RoleOf(row.GetString(1)),
            DateTimeOffset.Parse(row.GetString(2), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)));

    /// <summary>Makes a token worthless, from the next request on.</summary>
    /// <exception cref="FailureException"><c>token_not_found</c>.</exception>
    public void Revoke(string name)
    {
        var revoked = database.Execute(
            "update tokens set revoked_at = @at where name = @name and revoked_at is null",
            ("name", name),
            ("at", Now()));
        if (revoked == 0)
        {
            throw new FailureException(
                "token_not_found",
                $"There is no token of the name {name}.",
                "berth token list shows them.",
                Fault.User);
        }
    }

    private static byte[] HashOf(string secret) => SHA256.HashData(Encoding.ASCII.GetBytes(secret));

    private string Now() => time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static string Word(Role role) => role.ToString().ToLowerInvariant();

    private static Role RoleOf(string word) => Enum.Parse<Role>(word, ignoreCase: true);
}
